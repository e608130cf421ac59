"""Weights of the fullest pipeline stage."""

from math import ceil
from typing import Final

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.model.parameters import embedding_parameters, lm_head_parameters
from budsim.core.model.spec import AttentionKind, AttentionSpec, LayerBlock, ModelKind, ModelSpec, Precision
from budsim.core.model.weights import (
    dense_bytes_per_weight,
    embedding_bytes_per_weight,
    expert_weight_bytes,
    layers_weight_bytes,
    weight_bytes,
)

# Marlin's kernels of mxfp4 experts read whole tiles: of gpt-oss-120b 65.97 GiB are loaded where 61 are stored
INNER_TILE, HIDDEN_TILE = 128, 256
TILED: Final = frozenset({"mxfp4"})


def stage_weight_bytes(model: ModelSpec, candidates: Candidates) -> FloatArray:
    """Return the weights of the fullest stage on one device, shape (n,). [bytes]

    Embeddings stand on the first stage and the LM head on the last, both split over TP; routed experts are split over all ranks of a
    stage, the rest over the tensor-parallel group of each data-parallel rank, but for what every device holds whole.

    Source:
        PHYSICS 4; routers and the latent projections of MLA are ReplicatedLinear in vLLM and SGLang, as are KV heads too few to split.
    """
    experts = float(sum(block.count * expert_weight_bytes(model, block) for block in model.blocks))
    routed = experts * _tiled(model, candidates) / (candidates.tensor_parallel * candidates.data_parallel)
    whole = _whole_bytes(model, candidates)
    shared = (layers_weight_bytes(model) - experts - whole + _unfolded_bytes(model)) / candidates.tensor_parallel + whole
    stage = stage_share(model, candidates, shared + routed) + _ends_bytes(model, candidates) / candidates.tensor_parallel
    return np.asarray(stage + rotary_bytes(model))


def rotary_bytes(model: ModelSpec) -> float:
    """Return the table of cosines and sines for every position, which every device of a decoder holds whole. [bytes]

    Source:
        RotaryEmbedding of vLLM and SGLang, in the model's dtype: 0.03 GiB for 131,072 positions, 2.5 for the 10 million of Llama 4 Scout.
    """
    if model.kind is not ModelKind.DECODER:
        return 0.0
    widest = max((_rotary_values(block.attention) for block in model.blocks), default=0)
    return float(model.max_context_length * widest) * max(model.precision.bytes, Precision.BF16.bytes)


def _rotary_values(attention: AttentionSpec) -> int:
    match attention.kind:
        case AttentionKind.MLA:
            return attention.rope_head_dim
        case AttentionKind.GQA:
            return attention.head_dim
        case AttentionKind.STATE:
            return 0


def _unfolded_bytes(model: ModelSpec) -> float:
    """Return the copies MLA keeps of its up-projections, head by head and unquantised, to attend in the latent space."""
    return sum(
        block.count
        * block.attention.kv_lora_rank
        * block.attention.query_heads
        * (block.attention.head_dim + block.attention.value_head_dim)
        for block in model.blocks
        if block.attention.kind is AttentionKind.MLA
    ) * max(model.precision.bytes, Precision.BF16.bytes)


def stage_share(model: ModelSpec, candidates: Candidates, whole: FloatArray) -> FloatArray:
    """Return the part of a sum over all layers that the stage with most layers has, shape (n,)."""
    layers = max(1, model.layers)
    return np.asarray(whole * np.ceil(layers / candidates.pipeline_parallel) / layers)


def _whole_bytes(model: ModelSpec, candidates: Candidates) -> FloatArray:
    """Return what every device of a tensor-parallel group holds whole, over all layers."""
    width = dense_bytes_per_weight(model)
    held = np.zeros(len(candidates))
    for block in model.blocks:
        router = block.feed_forward.experts * model.hidden_size * model.precision.bytes
        held = held + block.count * (router + _whole_attention_weights(model, block, candidates) * width)
    return np.where(candidates.tensor_parallel > 1, held, 0.0)


def _whole_attention_weights(model: ModelSpec, block: LayerBlock, candidates: Candidates) -> FloatArray:
    """Return latent projections, or the KV projections of heads that several devices share, as if they stood whole on each."""
    attention = block.attention
    if attention.kind is AttentionKind.MLA:
        return np.full(
            len(candidates), float(model.hidden_size * (attention.q_lora_rank + attention.kv_lora_rank + attention.rope_head_dim))
        )
    if attention.kind is AttentionKind.STATE or not attention.kv_heads:
        return np.zeros(len(candidates))
    projections = model.hidden_size * attention.kv_heads * (attention.head_dim + attention.value_head_dim)
    split = candidates.tensor_parallel.astype(np.float64)
    heads = np.ceil(attention.kv_heads / split)
    # whole + (projections − whole)/split = projections·heads/kv_heads, what one device really holds
    share = (heads / attention.kv_heads - 1.0 / split) / np.maximum(1.0 - 1.0 / split, 1e-12)
    return np.asarray(np.where(split > attention.kv_heads, projections * share, 0.0))


def _tiled(model: ModelSpec, candidates: Candidates) -> FloatArray:
    """Return how much wider experts are on a device than in their file."""
    inner_size = max((block.feed_forward.expert_intermediate_size for block in model.blocks), default=0)
    if model.quantization is None or model.quantization.method not in TILED or not inner_size:
        return np.ones(len(candidates))
    inner = inner_size / candidates.tensor_parallel
    hidden = ceil(model.hidden_size / HIDDEN_TILE) * HIDDEN_TILE / model.hidden_size
    return np.asarray(np.ceil(inner / INNER_TILE) * INNER_TILE / inner * hidden)


def _ends_bytes(model: ModelSpec, candidates: Candidates) -> FloatArray:
    """Return what stands outside the layers, on the heavier end; tied embeddings are held at both ends."""
    width = embedding_bytes_per_weight(model)
    embedding, head = embedding_parameters(model) * width, lm_head_parameters(model) * width
    rest = weight_bytes(model) - layers_weight_bytes(model) - embedding - head
    return np.where(candidates.pipeline_parallel == 1, embedding + head, max(embedding, head)) + rest
