"""Time of a decode step and of a prompt, with the shares of what takes it."""

from dataclasses import dataclass

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.engines.spec import Scenario
from budsim.core.latency.collectives import communication_s
from budsim.core.latency.efficiency import Efficiency
from budsim.core.latency.operators import (
    Work,
    decode_attention_work,
    dense_work,
    expert_work,
    head_work,
    prefill_attention_work,
)
from budsim.core.latency.roofline import linear_flop_per_s, operator_time_s


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """One step through all stages of a replica, shape (n,). [s]"""

    compute_s: FloatArray  # time of the operators, as if only work bound them
    bandwidth_s: FloatArray  # the same, as if only traffic did
    operators_s: FloatArray  # per operator the larger of the two
    communication_s: FloatArray
    overhead_s: FloatArray

    @property
    def total_s(self) -> FloatArray:
        """Operators, communication and overhead."""
        return self.operators_s + self.communication_s + self.overhead_s


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWork:
    """Work of one step by operator, on one device."""

    dense: Work
    experts: Work
    head: Work
    attention: Work


def decode_step(
    scenario: Scenario, candidates: Candidates, efficiency: Efficiency, *, sequences: FloatArray, context: FloatArray
) -> StepTime:
    """Return one decode step of `sequences` at mean length `context`. [tokens]"""
    model = scenario.model
    work = StepWork(
        dense=dense_work(model, candidates, sequences),
        experts=expert_work(model, candidates, sequences),
        head=head_work(model, candidates, sequences),
        attention=decode_attention_work(model, candidates, sequences=sequences, context=context),
    )
    overhead = layers_overhead_s(scenario, efficiency) + efficiency.per_step_s + sequences * efficiency.per_sequence_s
    wire = communication_s(model, scenario.device, candidates, efficiency, tokens=sequences)
    return _timed(scenario, efficiency, work, communication=wire, overhead=overhead)


def prefill(scenario: Scenario, candidates: Candidates, efficiency: Efficiency, *, prompt: FloatArray) -> StepTime:
    """Return one prompt of `prompt` tokens run alone, its chunks' repeated weight reads included."""
    model = scenario.model
    chunks = prompt_chunks(candidates, prompt)
    each = prompt / chunks
    work = StepWork(
        dense=dense_work(model, candidates, each).times(chunks),
        experts=expert_work(model, candidates, each).times(chunks),
        head=head_work(model, candidates, np.ones_like(prompt)),
        attention=prefill_attention_work(model, candidates, prompt=prompt, chunks=chunks),
    )
    overhead = chunks * (layers_overhead_s(scenario, efficiency) + chunk_overhead_s(scenario, efficiency) + efficiency.per_step_s)
    wire = chunks * communication_s(model, scenario.device, candidates, efficiency, tokens=each)
    return _timed(scenario, efficiency, work, communication=wire, overhead=overhead)


def prompt_chunks(candidates: Candidates, prompt: FloatArray) -> FloatArray:
    """Return the steps a prompt is spread over by the token budget of a step, shape (n,)."""
    return np.asarray(np.where(candidates.chunked_prefill, np.ceil(prompt / candidates.max_num_batched_tokens), 1.0))


def layers_overhead_s(scenario: Scenario, efficiency: Efficiency) -> float:
    """Return what the layers of one step cost beside their operators. [s]"""
    model = scenario.model
    routed = sum(block.count for block in model.blocks if block.feed_forward.experts)
    return model.layers * efficiency.per_layer_s + routed * efficiency.per_routed_layer_s


def chunk_overhead_s(scenario: Scenario, efficiency: Efficiency) -> float:
    """Return what a prompt chunk adds to a step: layers dispatched one by one. [s]"""
    return scenario.model.layers * efficiency.per_chunk_layer_s


def _timed(
    scenario: Scenario, efficiency: Efficiency, work: StepWork, *, communication: FloatArray, overhead: FloatArray | float
) -> StepTime:
    device = scenario.device
    linear = linear_flop_per_s(device, scenario.model, efficiency)
    plain = device.fp16_flop_per_s * efficiency.compute
    streamed = device.bandwidth_bytes_per_s * efficiency.bandwidth
    scattered = device.bandwidth_bytes_per_s * efficiency.expert_bandwidth
    rated = (
        (work.dense, linear, streamed),
        (work.experts, linear, scattered),
        (work.head, plain, streamed),
        (work.attention, plain, streamed),
    )
    times = [operator_time_s(part.flop, part.moved_bytes, flop_per_s=rate, bytes_per_s=bandwidth) for part, rate, bandwidth in rated]
    return StepTime(
        compute_s=np.asarray(sum(part.flop / rate for part, rate, _ in rated)),
        bandwidth_s=np.asarray(sum(part.moved_bytes / bandwidth for part, _, bandwidth in rated)),
        operators_s=np.asarray(sum(times)),
        communication_s=communication,
        overhead_s=np.broadcast_to(np.asarray(overhead, dtype=np.float64), communication.shape),
    )
