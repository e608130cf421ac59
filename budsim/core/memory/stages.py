"""Weights of the fullest pipeline stage."""

from dataclasses import dataclass
from math import ceil
from typing import Final

from budsim.core.elementwise import Figure, maximum, rounded_up, where
from budsim.core.engines.candidates import Rows
from budsim.core.model.parameters import embedding_parameters, lm_head_parameters
from budsim.core.model.spec import AttentionKind, AttentionSpec, LayerBlock, ModelKind, ModelSpec, Precision
from budsim.core.model.weights import (
    dense_bytes_per_weight,
    embedding_bytes_per_weight,
    expert_weight_bytes,
    layers_weight_bytes,
    weight_bytes,
)
from budsim.core.remembered import remembered

# Marlin's kernels of mxfp4 experts read whole tiles: of gpt-oss-120b 65.97 GiB are loaded where 61 are stored
INNER_TILE, HIDDEN_TILE = 128, 256
TILED: Final = frozenset({"mxfp4"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Where the weights of a model stand. [bytes]

    Attributes:
        experts: Routed experts of all layers.
        layers: All layers.
        unfolded: Copies MLA keeps of its up-projections.
        whole: What every device of a tensor-parallel group holds whole.
        key_values: KV heads and their projections, which devices beyond the heads hold twice.
        both_ends: Embedding and LM head.
        heavier_end: The larger of the two.
        rest: What stands outside layers and ends.
        rotary: Table of positions.
        depth: Layers, at least 1.
    """

    experts: float
    layers: float
    unfolded: float
    whole: float
    key_values: tuple[tuple[int, float], ...]
    both_ends: float
    heavier_end: float
    rest: float
    rotary: float
    depth: int


def stage_weight_bytes(model: ModelSpec, rows: Rows) -> Figure:
    """Return the weights of the fullest stage on one device. [bytes]

    Embeddings stand on the first stage and the LM head on the last, both split over TP; routed experts are split over all ranks of a
    stage, the rest over the tensor-parallel group of each data-parallel rank, but for what every device holds whole.

    Source:
        PHYSICS 4; routers, the latent projections of MLA and its sparse index are ReplicatedLinear in vLLM and SGLang, as are KV heads
        too few to split.
    """
    stored, split = _stored(model), rows.tensor_parallel
    routed = stored.experts * _tiled(model, rows) / (split * rows.data_parallel)
    whole = _whole_bytes(stored, rows)
    shared = (stored.layers - stored.experts - whole + stored.unfolded) / split + whole
    ends = where(rows.pipeline_parallel == 1, stored.both_ends, stored.heavier_end) + stored.rest
    return stage_share(model, rows, shared + routed) + ends / split + stored.rotary


def stage_share(model: ModelSpec, rows: Rows, whole: Figure) -> Figure:
    """Return the part of a sum over all layers that the stage with most layers has."""
    layers = _stored(model).depth
    return whole * rounded_up(layers / rows.pipeline_parallel) / layers


def rotary_bytes(model: ModelSpec) -> float:
    """Return the table of cosines and sines for every position, which every device of a decoder holds whole. [bytes]

    Source:
        RotaryEmbedding of vLLM and SGLang, in the model's dtype: 0.03 GiB for 131,072 positions, 2.5 for the 10 million of Llama 4 Scout;
        config_rotary for tables that hold more positions than the model takes.
    """
    if model.kind is not ModelKind.DECODER:
        return 0.0
    widest = max((_rotary_values(block.attention) for block in model.blocks), default=0)
    return float((model.rotary_positions or model.max_context_length) * widest) * max(model.precision.bytes, Precision.BF16.bytes)


@remembered
def _stored(model: ModelSpec) -> Stored:
    width, layers = dense_bytes_per_weight(model), layers_weight_bytes(model)
    ends = [count * embedding_bytes_per_weight(model) for count in (embedding_parameters(model), lm_head_parameters(model))]
    routers = sum(block.count * block.feed_forward.experts for block in model.blocks) * model.hidden_size * model.precision.bytes
    return Stored(
        experts=float(sum(block.count * expert_weight_bytes(model, block) for block in model.blocks)),
        layers=layers,
        unfolded=_unfolded_bytes(model),
        whole=routers + width * sum(block.count * _latent_weights(model, block) for block in model.blocks),
        key_values=tuple((heads, count * width) for heads, count in _key_value_weights(model).items()),
        both_ends=sum(ends),
        heavier_end=max(ends),
        rest=weight_bytes(model) - layers - sum(ends),
        rotary=rotary_bytes(model),
        depth=max(1, model.layers),
    )


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


def _whole_bytes(stored: Stored, rows: Rows) -> Figure:
    """Return what stands whole on every device of a group, over all layers, KV heads that several devices share as if they did.

    Of the projections of shared heads one device holds projections·ceil(heads/split)/heads = whole + (projections − whole)/split.
    """
    split = rows.tensor_parallel
    held: Figure = stored.whole
    for heads, projections in stored.key_values:
        share = (rounded_up(heads / split) / heads - 1.0 / split) / maximum(1.0 - 1.0 / split, 1e-12)
        held = held + where(split > heads, projections * share, 0.0)
    return where(split > 1, held, 0.0)


def _latent_weights(model: ModelSpec, block: LayerBlock) -> int:
    attention = block.attention
    if attention.kind is not AttentionKind.MLA:
        return 0
    index = attention.q_lora_rank * attention.index_heads + model.hidden_size if attention.index_heads else 0
    latents = attention.q_lora_rank + attention.kv_lora_rank + attention.rope_head_dim
    return model.hidden_size * latents + index * attention.index_head_dim


def _key_value_weights(model: ModelSpec) -> dict[int, int]:
    """Return the weights of the key and value projections of all layers, by the number of their heads."""
    found: dict[int, int] = {}
    for block in model.blocks:
        attention = block.attention
        if attention.kind is AttentionKind.GQA and attention.kv_heads:
            projections = model.hidden_size * attention.kv_heads * (attention.head_dim + attention.value_head_dim)
            found[attention.kv_heads] = found.get(attention.kv_heads, 0) + block.count * projections
    return found


def _tiled(model: ModelSpec, rows: Rows) -> Figure:
    """Return how much wider experts are on a device than in their file."""
    inner_size = _tiled_size(model)
    if not inner_size:
        return 1.0
    inner = inner_size / rows.tensor_parallel
    hidden = ceil(model.hidden_size / HIDDEN_TILE) * HIDDEN_TILE / model.hidden_size
    return rounded_up(inner / INNER_TILE) * INNER_TILE / inner * hidden


@remembered
def _tiled_size(model: ModelSpec) -> int:
    """Return the width of the experts where their kernels read whole tiles, else 0."""
    if model.quantization is None or model.quantization.method not in TILED:
        return 0
    return max((block.feed_forward.expert_intermediate_size for block in model.blocks), default=0)
