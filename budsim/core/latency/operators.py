"""Work and traffic of the operators of one step, on one device, over arrays of candidates.

All layers are counted: with pipeline stages this is the sum over the stages, which a token passes one after the other.
"""

from dataclasses import dataclass
from typing import Final

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
from budsim.core.model.recurrence import state_flop_per_token, state_write_bytes
from budsim.core.model.spec import AttentionKind, AttentionSpec, LayerBlock, ModelKind, ModelSpec
from budsim.core.model.weights import dense_bytes_per_weight, embedding_bytes_per_weight, linear_bytes_per_weight

FLOP_PER_WEIGHT: Final = 2.0  # one multiply and one add


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Work and traffic of one kind of operator in one step on one device, shape (n,). [FLOP, bytes]"""

    flop: FloatArray
    moved_bytes: FloatArray

    def times(self, count: FloatArray) -> "Work":
        """Return the work of so many equal steps."""
        return Work(flop=self.flop * count, moved_bytes=self.moved_bytes * count)


def no_work(like: FloatArray) -> Work:
    """Return no work, in the shape of `like`."""
    return Work(flop=np.zeros_like(like), moved_bytes=np.zeros_like(like))


def dense_work(model: ModelSpec, candidates: Candidates, tokens: FloatArray) -> Work:
    """Return the linear layers every token meets, for the `tokens` of one data-parallel rank; weights are read once.

    Source:
        PHYSICS 2 and 4: 2·P FLOP a token, P·b_w bytes a step, both split over TP.
    """
    parameters = float(sum(block.count * _dense_parameters(model, block) for block in model.blocks)) / candidates.tensor_parallel
    return Work(flop=FLOP_PER_WEIGHT * tokens * parameters, moved_bytes=dense_bytes_per_weight(model) * parameters)


def expert_work(model: ModelSpec, candidates: Candidates, tokens: FloatArray) -> Work:
    """Return the routed experts of the heaviest rank, for the `tokens` each data-parallel rank brings.

    Of the experts only those some token is routed to are read: E·(1 − (1 − k/E)^T). Their weights are split over all ranks of a stage,
    within each expert, or (expert parallel) by whole experts, and then the heaviest rank is waited for.

    Source:
        PHYSICS 4 and 9.
    """
    flop, moved = np.zeros_like(tokens), np.zeros_like(tokens)
    ranks = (candidates.tensor_parallel * candidates.data_parallel).astype(np.float64)
    met = tokens * candidates.data_parallel
    for block in model.blocks:
        experts = expert_parameters(model, block)
        if experts:
            share = active_expert_share(block.feed_forward)
            touched = touched_share(share, met)
            load = experts * block.count * _heaviest(candidates, touched, experts=block.feed_forward.experts) / ranks
            flop = flop + FLOP_PER_WEIGHT * met * share * load
            moved = moved + linear_bytes_per_weight(model) * touched * load
    return Work(flop=flop, moved_bytes=moved)


def touched_share(active_share: float, tokens: FloatArray) -> FloatArray:
    """Return the share of the experts that at least one of `tokens` is routed to: k/E for one token, all for many."""
    return np.asarray(1.0 - (1.0 - active_share) ** tokens)


def head_work(model: ModelSpec, candidates: Candidates, sequences: FloatArray) -> Work:
    """Return the LM head, which only sampled positions meet.

    Source:
        PHYSICS 2.
    """
    parameters = float(lm_head_parameters(model) or model.vocab_size * model.hidden_size) / candidates.tensor_parallel
    return Work(flop=FLOP_PER_WEIGHT * parameters * sequences, moved_bytes=parameters * embedding_bytes_per_weight(model))


def decode_attention_work(model: ModelSpec, candidates: Candidates, *, sequences: FloatArray, context: FloatArray) -> Work:
    """Return the attention of one decoded token for each of `sequences`, at mean length `context`.

    Source:
        PHYSICS 3 and 5: 4·n_q·d·S a sequence and layer; windows cap S; the traffic is a device's share of the cache, and of a state
        both ways.
    """
    flop = np.zeros_like(sequences)
    for block in model.blocks:
        reach = _windowed(block.attention, context)
        each = FLOP_PER_WEIGHT * _decode_width(block.attention) * reach + state_flop_per_token(block.attention)
        flop = flop + block.count * sequences * each
    cache = kv_bytes_per_sequence(
        model, tokens=context, tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes
    )
    cache = cache + state_write_bytes(model) / candidates.tensor_parallel
    return Work(flop=flop / candidates.tensor_parallel, moved_bytes=sequences * cache)


def prefill_attention_work(model: ModelSpec, candidates: Candidates, *, prompt: FloatArray, chunks: FloatArray) -> Work:
    """Return the attention of one prompt: causal, half the square; an encoder's whole square; a window's band where there is one.

    Each chunk reads the cache of the chunks before it, (chunks − 1)/2 of it on average.

    Source:
        PHYSICS 3: 4·n_q·d·I²/2 a layer.
    """
    flop = np.zeros_like(prompt)
    for block in model.blocks:
        reach = _windowed(block.attention, prompt)
        pairs = prompt * reach - (0.0 if model.kind is ModelKind.ENCODER else reach**2 / 2.0)
        each = FLOP_PER_WEIGHT * _prefill_width(block.attention) * pairs + prompt * state_flop_per_token(block.attention)
        flop = flop + block.count * each
    cache = kv_bytes_per_sequence(
        model, tokens=prompt, tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes
    )
    return Work(flop=flop / candidates.tensor_parallel, moved_bytes=cache * (chunks + 1.0) / 2.0)


def _dense_parameters(model: ModelSpec, block: LayerBlock) -> int:
    return attention_parameters(model, block.attention) + dense_feed_forward_parameters(model, block)


def _heaviest(candidates: Candidates, touched: FloatArray, *, experts: int) -> FloatArray:
    """Return the heaviest rank's touched experts over the mean rank's, shape (n,).

    The expected maximum of nearly normal counts lies √(2·ln ranks) deviations above the mean; no rank touches more than all it has.
    """
    ranks = np.clip(candidates.expert_parallel, 1, experts).astype(np.float64)
    spread = np.sqrt(2.0 * np.log(ranks) * ranks / experts)
    return np.asarray(np.minimum(1.0 / touched, 1.0 + spread * np.sqrt((1.0 - touched) / touched)))


def _windowed(attention: AttentionSpec, length: FloatArray) -> FloatArray:
    return np.minimum(length, attention.window) if attention.window else length


def _decode_width(attention: AttentionSpec) -> float:
    """Return values multiplied per query-key pair, all heads: scores and values."""
    match attention.kind:
        case AttentionKind.GQA:
            return attention.query_heads * float(attention.head_dim + attention.value_head_dim)
        case AttentionKind.MLA:
            # absorbed form: queries meet the latent itself
            return attention.query_heads * float(2 * attention.kv_lora_rank + attention.rope_head_dim)
        case AttentionKind.STATE:
            return 0.0


def _prefill_width(attention: AttentionSpec) -> float:
    if attention.kind is AttentionKind.MLA:  # unfolded to whole heads, which is cheaper over a prompt
        return attention.query_heads * float(attention.head_dim + attention.rope_head_dim + attention.value_head_dim)
    return _decode_width(attention)
