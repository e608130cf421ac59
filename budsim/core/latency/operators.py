"""Work and traffic of one engine step, over arrays of candidates."""

from dataclasses import dataclass

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.model.kv_cache import kv_bytes_per_sequence
from budsim.core.model.parameters import (
    active_expert_share,
    attention_parameters,
    dense_feed_forward_parameters,
    expert_parameters,
    lm_head_parameters,
)
from budsim.core.model.spec import AttentionKind, AttentionSpec, ModelSpec
from budsim.core.model.weights import embedding_bytes_per_weight, linear_bytes_per_weight

FLOP_PER_WEIGHT = 2.0  # one multiply and one add


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Work and traffic of one kind of operator in one step, whole model, shape (n,). [FLOP, bytes]"""

    flop: FloatArray
    moved_bytes: FloatArray


def linear_work(model: ModelSpec, tokens: FloatArray) -> Work:
    """Return the linear layers of a step over `tokens`, LM head not counted.

    Weights are read once a step; of the experts only those some token is routed to: E·(1 − (1 − k/E)^T).

    Source:
        PHYSICS 2 and 4.
    """
    width = linear_bytes_per_weight(model)
    flop, moved = np.zeros_like(tokens), np.zeros_like(tokens)
    for block in model.blocks:
        dense = attention_parameters(model, block.attention) + dense_feed_forward_parameters(model, block)
        experts = expert_parameters(model, block)
        share = active_expert_share(block.feed_forward)
        touched = 1.0 - (1.0 - share) ** tokens if experts else np.zeros_like(tokens)
        flop = flop + block.count * FLOP_PER_WEIGHT * tokens * (dense + share * experts)
        moved = moved + block.count * width * (dense + touched * experts)
    return Work(flop=flop, moved_bytes=moved)


def head_work(model: ModelSpec, sequences: FloatArray) -> Work:
    """Return the LM head, which only sampled positions meet.

    Source:
        PHYSICS 2.
    """
    parameters = lm_head_parameters(model) or model.vocab_size * model.hidden_size
    return Work(
        flop=FLOP_PER_WEIGHT * parameters * sequences, moved_bytes=np.full_like(sequences, parameters * embedding_bytes_per_weight(model))
    )


def decode_attention_work(model: ModelSpec, candidates: Candidates, *, sequences: FloatArray, context: FloatArray) -> Work:
    """Return the attention of one decoded token for each of `sequences`, at mean length `context`, one device's KV share as traffic.

    Source:
        PHYSICS 3: 4·n_q·d·S a sequence and layer; windows cap S.
    """
    flop = np.zeros_like(sequences)
    for block in model.blocks:
        flop = flop + block.count * sequences * _attention_flop(block.attention, _windowed(block.attention, context))
    cache = kv_bytes_per_sequence(
        model, tokens=context, tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes
    )
    # the traffic is a device's own share already; scaling back lets one division by TP serve both figures
    return Work(flop=flop, moved_bytes=sequences * cache * candidates.tensor_parallel)


def prefill_attention_work(model: ModelSpec, *, sequences: FloatArray, prompt: FloatArray) -> Work:
    """Return the causal attention of whole prompts: half the square, a window's band where there is one.

    Source:
        PHYSICS 3: 4·n_q·d·I²/2 a layer.
    """
    flop = np.zeros_like(sequences)
    for block in model.blocks:
        reach = _windowed(block.attention, prompt)
        pairs = prompt * reach - reach**2 / 2.0
        flop = flop + block.count * sequences * _attention_flop(block.attention, pairs)
    return Work(flop=flop, moved_bytes=np.zeros_like(flop))


def _windowed(attention: AttentionSpec, length: FloatArray) -> FloatArray:
    return np.minimum(length, attention.window) if attention.window else length


def _attention_flop(attention: AttentionSpec, pairs: FloatArray) -> FloatArray:
    """Return scores and values for so many query-key pairs."""
    match attention.kind:
        case AttentionKind.GQA:
            width = attention.head_dim + attention.value_head_dim
        case AttentionKind.MLA:
            width = 2 * attention.kv_lora_rank + attention.rope_head_dim  # absorbed form: queries meet the latent itself
        case AttentionKind.STATE:
            return np.full_like(pairs, FLOP_PER_WEIGHT * attention.state_values)
    return FLOP_PER_WEIGHT * attention.query_heads * width * pairs
