"""Continuous batching in steady state: step times → TTFT, TPOT and E2E."""

from dataclasses import dataclass

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.engines.spec import Scenario
from budsim.core.latency.efficiency import Efficiency
from budsim.core.latency.steps import StepTime, chunk_overhead_s, decode_step, prefill, prompt_chunks
from budsim.core.memory.plan import MemoryPlan
from budsim.core.model.kv_cache import kv_bytes_per_sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Mean latencies of one replica under its concurrency, shape (n,). [s]"""

    ttft_s: FloatArray
    tpot_s: FloatArray
    e2e_s: FloatArray
    queue_s: FloatArray
    decode: StepTime
    running: FloatArray  # sequences that run at once on one data-parallel rank
    prefill_share: FloatArray  # share of a decode step that prompts of others take


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTime:
    """What one prompt costs: alone, and added to the steps of others, shape (n,). [s]"""

    alone_s: FloatArray
    added_s: FloatArray


def steady_latency(scenario: Scenario, candidates: Candidates, memory: MemoryPlan, efficiency: Efficiency) -> Latency:
    """Return the latencies of a closed loop of `candidates.concurrency` users on one replica.

    Args:
        scenario: Model, device, engine and load.
        candidates: Columns of shape (n,).
        memory: Bounds the sequences that run at once.
        efficiency: Constants of the device family.

    Source:
        PHYSICS 11 and 12: TPOT = T_dec(B, S̄) + B·T_pf/O; B = min(C, max_num_seqs, KV capacity); who does not run waits. Every slot
        turns over once per request, so users beyond the slots wait (C − B)/B services.
    """
    outputs = float(scenario.workload.output_tokens)
    users = np.ceil(candidates.concurrency / candidates.data_parallel)
    slots = running_slots(scenario, candidates, memory)
    running = np.minimum(users, slots)
    decode = _decode(scenario, candidates, efficiency, running=running)
    prompt = _prompt(scenario, candidates, efficiency)
    others = np.maximum(0.0, running - 1.0)
    shared = others * prompt.added_s / candidates.pipeline_parallel / outputs
    tpot = decode.total_s + shared
    ahead = efficiency.prefills_ahead * others * prompt.added_s
    # an arrival finds a step half done when others run, and its own prompt shares the steps with their tokens
    joining = np.where(others > 0.0, 0.5 * tpot, 0.0)
    first = efficiency.per_request_s + joining + ahead + prompt.alone_s
    service = first + (outputs - 1.0) * tpot
    queue = np.maximum(0.0, users - slots) / slots * service
    ttft = queue + first
    return Latency(
        ttft_s=ttft,
        tpot_s=tpot,
        e2e_s=ttft + (outputs - 1.0) * tpot,
        queue_s=queue,
        decode=decode,
        running=running,
        prefill_share=shared / tpot,
    )


def running_slots(scenario: Scenario, candidates: Candidates, memory: MemoryPlan) -> FloatArray:
    """Return the sequences that one data-parallel rank can run at once, at least 1, shape (n,).

    Memory is planned for full sequences; running ones are on average half way through their output.
    """
    model, split, width = scenario.model, candidates.tensor_parallel, candidates.kv_width_bytes
    planned = kv_bytes_per_sequence(model, tokens=float(scenario.workload.sequence_tokens), tensor_parallel=split, bytes_per_value=width)
    mean = kv_bytes_per_sequence(model, tokens=mean_context(scenario), tensor_parallel=split, bytes_per_value=width)
    held = memory.max_concurrency / candidates.data_parallel * np.where(mean > 0.0, planned / np.maximum(mean, 1.0), 1.0)
    return np.asarray(np.maximum(1.0, np.minimum(candidates.max_num_seqs, np.floor(held))))


def mean_context(scenario: Scenario) -> float:
    """Return the mean length of a running sequence: its prompt and half its output. [tokens]"""
    return scenario.workload.input_tokens + scenario.workload.output_tokens / 2.0


def _decode(scenario: Scenario, candidates: Candidates, efficiency: Efficiency, *, running: FloatArray) -> StepTime:
    """Return the time between two tokens of a sequence; pipeline stages work on one part of the sequences each."""
    part = np.ceil(running / candidates.pipeline_parallel)
    context = np.full(len(candidates), mean_context(scenario))
    return decode_step(scenario, candidates, efficiency, sequences=part, context=context)


def _prompt(scenario: Scenario, candidates: Candidates, efficiency: Efficiency) -> PromptTime:
    """Return a prompt's time: its chunks follow each other through the stages, one stage apart.

    Source:
        PHYSICS 8 and 11: the marginal prefill is its work without the weight reads.
    """
    prompt = np.full(len(candidates), float(scenario.workload.input_tokens))
    whole = prefill(scenario, candidates, efficiency, prompt=prompt)
    chunks = prompt_chunks(candidates, prompt)
    stages = candidates.pipeline_parallel
    added = whole.compute_s + whole.communication_s + chunks * chunk_overhead_s(scenario, efficiency)
    return PromptTime(alone_s=whole.total_s * (chunks + stages - 1.0) / (chunks * stages), added_s=added)
