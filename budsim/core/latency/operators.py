"""Work and traffic of the operators of one step, on one device, over arrays of candidates.

All layers are counted: with pipeline stages this is the sum over the stages, which a token passes one after the other.
"""

from functools import reduce
from math import log
from typing import Final

from budsim.core.elementwise import Figure, logarithm, maximum, minimum, square_root
from budsim.core.engines.candidates import Rows
from budsim.core.latency.shape import Experts, shape_of
from budsim.core.model.kv_cache import kv_bytes_per_sequence
from budsim.core.model.spec import ModelSpec
from budsim.core.values import light_value

LOG_2: Final = log(2.0)
FLOP_PER_WEIGHT: Final = 2.0  # one multiply and one add


@light_value
class Work:
    """Work and traffic of one kind of operator in one step on one device. [FLOP, bytes]"""

    flop: Figure
    moved_bytes: Figure

    def times(self, count: Figure) -> "Work":
        """Return the work of so many equal steps."""
        if self is NO_WORK or (isinstance(count, float) and count == 1.0):
            return self
        return Work(flop=self.flop * count, moved_bytes=self.moved_bytes * count)

    def and_also(self, other: "Work") -> "Work":
        """Return the sum."""
        return Work(flop=self.flop + other.flop, moved_bytes=self.moved_bytes + other.moved_bytes)


NO_WORK: Final = Work(flop=0.0, moved_bytes=0.0)


def dense_work(model: ModelSpec, candidates: Rows, tokens: Figure) -> Work:
    """Return the linear layers every token meets, for the `tokens` of one data-parallel rank; weights are read once.

    Source:
        PHYSICS 2 and 4: 2·P FLOP a token, P·b_w bytes a step, both split over TP.
    """
    shape, split = shape_of(model), candidates.tensor_parallel
    return Work(flop=FLOP_PER_WEIGHT * tokens * shape.dense_parameters / split, moved_bytes=shape.dense_bytes / split)


def expert_work(model: ModelSpec, candidates: Rows, met: Figure) -> Work:
    """Return the routed experts of the heaviest rank, for the tokens that all data-parallel ranks bring.

    Of the experts only those some token is routed to are read: E·(1 − (1 − k/E)^T). Their weights are split over all ranks of a stage,
    within each expert, or (expert parallel) by whole experts, and then the heaviest rank is waited for.

    Source:
        PHYSICS 4 and 9.
    """
    routed = [_routed_work(experts, candidates, met) for experts in shape_of(model).experts]
    return NO_WORK if not routed else routed[0] if len(routed) == 1 else reduce(Work.and_also, routed)


def _routed_work(experts: Experts, candidates: Rows, met: Figure) -> Work:
    touched = touched_share(experts.active_share, met)
    load = _heaviest(candidates, touched, experts=experts.experts) / (candidates.tensor_parallel * candidates.data_parallel)
    flop = FLOP_PER_WEIGHT * met * experts.active_share * experts.parameters * load
    return Work(flop=flop, moved_bytes=experts.moved_bytes * touched * load)


def touched_share(active_share: float, tokens: Figure) -> Figure:
    """Return the share of the experts that at least one of `tokens` is routed to: k/E for one token, all for many."""
    return 1.0 - (1.0 - active_share) ** tokens


def head_work(model: ModelSpec, candidates: Rows, sequences: Figure) -> Work:
    """Return the LM head, which only sampled positions meet.

    Source:
        PHYSICS 2.
    """
    shape, split = shape_of(model), candidates.tensor_parallel
    return Work(flop=FLOP_PER_WEIGHT * shape.head_parameters * sequences / split, moved_bytes=shape.head_bytes / split)


def decode_attention_work(model: ModelSpec, candidates: Rows, *, sequences: Figure, context: Figure) -> Work:
    """Return the attention of one decoded token for each of `sequences`, at mean length `context`.

    Source:
        PHYSICS 3 and 5: 4·n_q·d·S a sequence and layer; windows cap S; the traffic is a device's share of the cache, and of a state
        both ways.
    """
    shape = shape_of(model)
    flop: Figure = shape.state_flop
    for reach in shape.decode:
        flop = flop + FLOP_PER_WEIGHT * reach.width * _windowed(reach.window, context)
    cache = _cache_bytes(model, candidates, context)
    written = shape.state_write_bytes / candidates.tensor_parallel
    return Work(flop=sequences * flop / candidates.tensor_parallel, moved_bytes=sequences * (cache + written))


def prefill_attention_work(model: ModelSpec, candidates: Rows, *, prompt: Figure, chunks: Figure, cached: Figure = 0.0) -> Work:
    """Return the attention of one prompt: causal, half the square; an encoder's whole square; a window's band where there is one.

    Each chunk reads the cache of the chunks before it, (chunks − 1)/2 of it on average, and all that a prefix cache held.

    Source:
        PHYSICS 3 and 13: 4·n_q·d·(I²/2 + I·S_cached) a layer.
    """
    shape = shape_of(model)
    flop: Figure = prompt * shape.state_flop
    whole = prompt + cached
    for reach in shape.prefill:
        pairs = _pairs(reach.window, whole, masked=shape.masked_share)
        if not _is_nothing(cached):
            pairs = pairs - _pairs(reach.window, cached, masked=shape.masked_share)
        flop = flop + FLOP_PER_WEIGHT * reach.width * pairs
    cache = _cache_bytes(model, candidates, whole)
    moved = cache * (chunks + 1.0) / 2.0
    if not _is_nothing(cached):
        held = _cache_bytes(model, candidates, cached) - _cache_bytes(model, candidates, 0.0)  # states are no tokens
        moved = moved + held * (chunks - 1.0) / 2.0
    return Work(flop=flop / candidates.tensor_parallel, moved_bytes=moved)


def _is_nothing(cached: Figure) -> bool:
    return isinstance(cached, float) and cached == 0.0


def _cache_bytes(model: ModelSpec, candidates: Rows, tokens: Figure) -> Figure:
    return kv_bytes_per_sequence(
        model, tokens=tokens, tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes
    )


def _pairs(window: int | None, tokens: Figure, *, masked: float) -> Figure:
    """Return the query-key pairs of the first `tokens` of a sequence."""
    back = _windowed(window, tokens)
    return tokens * back - masked * back * back


def _heaviest(candidates: Rows, touched: Figure, *, experts: int) -> Figure:
    """Return the heaviest rank's touched experts over the mean rank's.

    Counts are nearly normal, and no rank touches more than all it has. The expected maximum of n normal values lies 0.56, 1.03, 1.42,
    1.77 deviations above the mean for n = 2, 4, 8, 16: 0.56·log₂(n)^0.83 within 3 %.
    """
    ranks = minimum(maximum(candidates.expert_parallel, 1.0), experts)
    spread = 0.56 * (logarithm(ranks) / LOG_2) ** 0.83 * square_root(ranks / experts)
    return minimum(1.0 / touched, 1.0 + spread * square_root((1.0 - touched) / touched))


def _windowed(window: int | None, length: Figure) -> Figure:
    return length if window is None else minimum(length, window)
