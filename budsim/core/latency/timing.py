"""A demand meets the constants: time of one step, with the shares of what takes it."""

from dataclasses import dataclass

from budsim.core.elementwise import Figure, maximum, where
from budsim.core.engines.candidates import IntArray
from budsim.core.latency.columns import Lane
from budsim.core.latency.demand import Peaks, StepDemand
from budsim.core.latency.efficiency import Efficiency
from budsim.core.latency.operators import NO_WORK
from budsim.core.latency.overheads import Overheads
from budsim.core.latency.roofline import operator_time_s
from budsim.core.remembered import remembered
from budsim.core.values import light_value


@light_value
class StepTime:
    """One step through all stages of a replica, or all steps of a prompt. [s]"""

    compute_s: Figure  # time of the operators, as if only work bound them
    bandwidth_s: Figure  # the same, as if only traffic did
    operators_s: Figure  # per operator the larger of the two
    communication_s: Figure
    overhead_s: Figure

    @property
    def total_s(self) -> Figure:
        """Operators, communication and overhead."""
        return self.operators_s + self.communication_s + self.overhead_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What one kind of operator reaches. [FLOP/s, bytes/s]"""

    flop_per_s: Figure
    bytes_per_s: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What the operators of a step reach."""

    dense: Rate
    experts: Rate
    head: Rate
    attention: Rate


def decode_time(demand: StepDemand, peaks: Peaks, efficiency: Efficiency, overheads: Overheads) -> StepTime:
    """Return the time of one decode step, replayed from a captured graph."""
    return _timed(demand, peaks, efficiency, _overhead_s(demand, efficiency, overheads))


def prompt_time(demand: StepDemand, peaks: Peaks, efficiency: Efficiency, overheads: Overheads) -> StepTime:
    """Return the time of a prompt run alone: no graph is replayed, so its layers are dispatched one by one."""
    overhead = _overhead_s(demand, efficiency, overheads) + dispatch_s(demand, efficiency)
    return _timed(demand, peaks, efficiency, overhead)


def dispatch_s(demand: StepDemand, efficiency: Efficiency) -> Figure:
    """Return what layers cost that are dispatched one by one. [s]"""
    return demand.layers * efficiency.per_chunk_layer_s


def communication_s(demand: StepDemand, peaks: Peaks, efficiency: Efficiency) -> Figure:
    """Return what a step spends on links. [s]

    Source:
        PHYSICS 7–9: ring 2(t−1)/t·m/bw + latency; a small message costs the latency alone.
    """
    wire = demand.ring_bytes / (demand.link_bytes_per_s * efficiency.reduce_bandwidth)
    reduces = demand.reduces * (wire + demand.link_latency_s + efficiency.per_reduce_s)
    hops = demand.hops * (demand.hop_bytes / peaks.hop_bytes_per_s + peaks.hop_latency_s)
    exchange = demand.exchange_bytes / demand.link_bytes_per_s + 2.0 * demand.exchanges * demand.link_latency_s
    return reduces + hops + exchange


def lane_share(lane: int | IntArray, *, wide: Figure, eight: Figure, four: Figure) -> Figure:
    """Return the share of its peak that a lane reaches."""
    return where(lane == Lane.WIDE, wide, where(lane == Lane.EIGHT, eight, four))


def attention_s(demand: StepDemand, peaks: Peaks, efficiency: Efficiency) -> Figure:
    """Return the time of the attention alone. [s]"""
    work, rate = demand.attention, _rates_of(peaks, efficiency).attention
    return operator_time_s(work.flop, work.moved_bytes, flop_per_s=rate.flop_per_s, bytes_per_s=rate.bytes_per_s)


def _timed(demand: StepDemand, peaks: Peaks, efficiency: Efficiency, overhead: Figure) -> StepTime:
    rates = _rates_of(peaks, efficiency)
    rated = (
        (demand.dense, rates.dense),
        (demand.experts, rates.experts),
        (demand.head, rates.head),
        (demand.attention, rates.attention),
    )
    computed: Figure = 0.0
    moved: Figure = 0.0
    attained: Figure = 0.0
    for work, rate in rated:
        if work is not NO_WORK:
            computing, moving = work.flop / rate.flop_per_s, work.moved_bytes / rate.bytes_per_s
            computed, moved, attained = computed + computing, moved + moving, attained + maximum(computing, moving)
    carried = (demand.passed_bytes * efficiency.passes + demand.routed_bytes * efficiency.routed_passes) / rates.dense.bytes_per_s
    return StepTime(
        compute_s=computed + carried,
        bandwidth_s=moved + carried,
        operators_s=attained + carried,
        communication_s=communication_s(demand, peaks, efficiency),
        overhead_s=overhead,
    )


def _overhead_s(demand: StepDemand, efficiency: Efficiency, overheads: Overheads) -> Figure:
    layers = demand.layers * efficiency.per_layer_s + demand.routed_layers * efficiency.per_routed_layer_s
    folded = demand.folded_layers * efficiency.per_folded_layer_s
    return layers + folded + demand.steps * overheads.per_step_s + demand.sequences * overheads.per_sequence_s


def _rates_of(peaks: Peaks, efficiency: Efficiency) -> Rates:
    """Return the rates; those of one device are remembered, those of columns of runs, of which a fit makes thousands, are not."""
    return _rates_of_one(peaks, efficiency) if isinstance(efficiency.compute, float) else _rates(peaks, efficiency)


@remembered
def _rates_of_one(peaks: Peaks, efficiency: Efficiency) -> Rates:
    return _rates(peaks, efficiency)


def _rates(peaks: Peaks, efficiency: Efficiency) -> Rates:
    shares = {"wide": efficiency.compute, "eight": efficiency.compute_8bit, "four": efficiency.compute_4bit}
    streamed = peaks.bytes_per_s * efficiency.bandwidth
    dense, grouped = lane_share(peaks.dense_lane, **shares), lane_share(peaks.expert_lane, **shares) * efficiency.expert_compute
    return Rates(
        dense=Rate(flop_per_s=peaks.dense_flop_per_s * dense, bytes_per_s=streamed),
        experts=Rate(flop_per_s=peaks.expert_flop_per_s * grouped, bytes_per_s=peaks.bytes_per_s * efficiency.expert_bandwidth),
        head=Rate(flop_per_s=peaks.plain_flop_per_s * efficiency.compute, bytes_per_s=streamed),
        attention=Rate(
            flop_per_s=peaks.plain_flop_per_s * efficiency.attention_compute,
            bytes_per_s=peaks.bytes_per_s * efficiency.attention_bandwidth,
        ),
    )
