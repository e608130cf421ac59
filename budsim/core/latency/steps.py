"""Time of a decode step and of a prompt, with the shares of what takes it."""

from dataclasses import dataclass

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.engines.spec import Scenario
from budsim.core.latency.case import Case
from budsim.core.latency.collectives import communication_s
from budsim.core.latency.efficiency import Efficiency
from budsim.core.latency.operators import (
    Work,
    decode_attention_work,
    dense_work,
    expert_work,
    head_work,
    no_work,
    prefill_attention_work,
)
from budsim.core.latency.roofline import dense_flop_per_s, linear_flop_per_s, operator_time_s
from budsim.core.model.kv_cache import keeps_cache


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


def decode_step(case: Case, *, sequences: FloatArray, context: FloatArray) -> StepTime:
    """Return one decode step of `sequences` on each data-parallel rank, at mean length `context`.

    Args:
        case: Candidates and constants.
        sequences: Sequences that decode one token each, shape (n,).
        context: Mean length of a sequence, shape (n,). [tokens]

    Source:
        PHYSICS 1–5, 7, 10.
    """
    model, candidates = case.scenario.model, case.candidates
    work = StepWork(
        dense=dense_work(model, candidates, sequences),
        experts=expert_work(model, candidates, sequences),
        head=head_work(model, candidates, sequences),
        attention=decode_attention_work(model, candidates, sequences=sequences, context=context),
    )
    overhead = layers_overhead_s(case) + case.overheads.per_step_s + sequences * case.overheads.per_sequence_s
    wire = communication_s(model, case.scenario.device, candidates, case.efficiency, tokens=sequences)
    return _timed(case.scenario, case.efficiency, work, communication=wire, overhead=overhead)


def prefill(case: Case, *, prompt: FloatArray) -> StepTime:
    """Return one prompt run alone, its chunks' repeated weight reads included.

    Args:
        case: Candidates and constants.
        prompt: Length of the prompt, shape (n,). [tokens]

    Source:
        PHYSICS 1–4, 7, 10.
    """
    model, candidates = case.scenario.model, case.candidates
    chunks = prompt_chunks(candidates, prompt)
    each = prompt / chunks
    work = StepWork(
        dense=dense_work(model, candidates, each).times(chunks),
        experts=expert_work(model, candidates, each).times(chunks),
        head=head_work(model, candidates, np.ones_like(prompt)) if keeps_cache(model) else no_work(prompt),
        attention=prefill_attention_work(model, candidates, prompt=prompt, chunks=chunks),
    )
    overhead = chunks * (layers_overhead_s(case) + chunk_overhead_s(case) + case.overheads.per_step_s)
    wire = chunks * communication_s(model, case.scenario.device, candidates, case.efficiency, tokens=each)
    return _timed(case.scenario, case.efficiency, work, communication=wire, overhead=overhead)


def prompt_chunks(candidates: Candidates, prompt: FloatArray) -> FloatArray:
    """Return the steps a prompt is spread over by the token budget of a step, shape (n,)."""
    return np.where(candidates.chunked_prefill, np.ceil(prompt / candidates.max_num_batched_tokens), 1.0)


def layers_overhead_s(case: Case) -> float:
    """Return what the layers of one step cost beside their operators. [s]"""
    blocks = case.scenario.model.blocks
    routed = sum(block.count for block in blocks if block.feed_forward.experts)
    return case.scenario.model.layers * case.efficiency.per_layer_s + routed * case.efficiency.per_routed_layer_s


def chunk_overhead_s(case: Case) -> float:
    """Return what a prompt chunk adds to a step: layers dispatched one by one. [s]"""
    return case.scenario.model.layers * case.efficiency.per_chunk_layer_s


def _timed(scenario: Scenario, efficiency: Efficiency, work: StepWork, *, communication: FloatArray, overhead: FloatArray) -> StepTime:
    device = scenario.device
    linear = linear_flop_per_s(device, scenario.model, efficiency)
    shared = dense_flop_per_s(device, scenario.model, efficiency)
    plain = device.fp16_flop_per_s * efficiency.compute
    streamed = device.bandwidth_bytes_per_s * efficiency.bandwidth
    scattered = device.bandwidth_bytes_per_s * efficiency.expert_bandwidth
    rated = (
        (work.dense, shared, streamed),
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
        overhead_s=overhead,
    )
