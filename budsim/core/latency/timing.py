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


@dataclass(frozen=True, slots=True, kw_only=True)
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


def decode_time(demand: StepDemand, peaks: Peaks, efficiency: Efficiency, overheads: Overheads) -> StepTime:
    """Return the time of one decode step, replayed from a captured graph."""
    return _timed(demand, peaks, efficiency, overheads)


def prompt_time(demand: StepDemand, peaks: Peaks, efficiency: Efficiency, overheads: Overheads) -> StepTime:
    """Return the time of a prompt run alone: no graph is replayed, so its layers are dispatched one by one."""
    timed = _timed(demand, peaks, efficiency, overheads)
    return StepTime(
        compute_s=timed.compute_s,
        bandwidth_s=timed.bandwidth_s,
        operators_s=timed.operators_s,
        communication_s=timed.communication_s,
        overhead_s=timed.overhead_s + dispatch_s(demand, efficiency),
    )


def dispatch_s(demand: StepDemand, efficiency: Efficiency) -> Figure:
    """Return what layers cost that are dispatched one by one. [s]"""
    return demand.layers * efficiency.per_chunk_layer_s


def communication_s(demand: StepDemand, peaks: Peaks, efficiency: Efficiency) -> Figure:
    """Return what a step spends on links. [s]

    Source:
        PHYSICS 7–9: ring 2(t−1)/t·m/bw + latency; a small message costs the latency alone.
    """
    wire = demand.ring_bytes / (peaks.link_bytes_per_s * efficiency.reduce_bandwidth)
    reduces = demand.reduces * (wire + peaks.link_latency_s + efficiency.per_reduce_s)
    hops = demand.hops * (demand.hop_bytes / peaks.hop_bytes_per_s + peaks.hop_latency_s)
    exchange = demand.exchange_bytes / peaks.link_bytes_per_s + 2.0 * demand.exchanges * peaks.link_latency_s
    return reduces + hops + exchange


def lane_share(lane: int | IntArray, *, wide: Figure, eight: Figure, four: Figure) -> Figure:
    """Return the share of its peak that a lane reaches."""
    return where(lane == Lane.WIDE, wide, where(lane == Lane.EIGHT, eight, four))


def _timed(demand: StepDemand, peaks: Peaks, efficiency: Efficiency, overheads: Overheads) -> StepTime:
    shares = {"wide": efficiency.compute, "eight": efficiency.compute_8bit, "four": efficiency.compute_4bit}
    streamed = peaks.bytes_per_s * efficiency.bandwidth
    scattered = peaks.bytes_per_s * efficiency.expert_bandwidth
    rated = (
        (demand.dense, peaks.dense_flop_per_s * lane_share(peaks.dense_lane, **shares), streamed),
        (
            demand.experts,
            peaks.expert_flop_per_s * lane_share(peaks.expert_lane, **shares) * efficiency.expert_compute,
            scattered,
        ),
        (demand.head, peaks.plain_flop_per_s * efficiency.compute, streamed),
        (demand.attention, peaks.plain_flop_per_s * efficiency.attention_compute, peaks.bytes_per_s * efficiency.attention_bandwidth),
    )
    times = [(part.flop / rate, part.moved_bytes / bandwidth) for part, rate, bandwidth in rated if part is not NO_WORK]
    layers = demand.layers * efficiency.per_layer_s + demand.routed_layers * efficiency.per_routed_layer_s
    folded = demand.folded_layers * efficiency.per_folded_layer_s
    return StepTime(
        compute_s=sum(computing for computing, _ in times),
        bandwidth_s=sum(moving for _, moving in times),
        operators_s=sum(maximum(computing, moving) for computing, moving in times),
        communication_s=communication_s(demand, peaks, efficiency),
        overhead_s=layers + folded + demand.steps * overheads.per_step_s + demand.sequences * overheads.per_sequence_s,
    )


def attention_s(demand: StepDemand, peaks: Peaks, efficiency: Efficiency) -> Figure:
    """Return the time of the attention alone. [s]"""
    return operator_time_s(
        demand.attention.flop,
        demand.attention.moved_bytes,
        flop_per_s=peaks.plain_flop_per_s * efficiency.attention_compute,
        bytes_per_s=peaks.bytes_per_s * efficiency.attention_bandwidth,
    )
