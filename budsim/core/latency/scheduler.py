"""Continuous batching in steady state: step times → TTFT, TPOT and E2E."""

from dataclasses import dataclass

import numpy as np

from budsim.core.engines.candidates import FloatArray
from budsim.core.engines.spec import Scenario
from budsim.core.latency.case import Case
from budsim.core.latency.steps import StepTime, chunk_overhead_s, decode_step, prefill, prompt_chunks
from budsim.core.memory.plan import MemoryPlan
from budsim.core.memory.stages import stage_share
from budsim.core.model.kv_cache import kv_bytes_per_sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Mean latencies of one replica under its concurrency, shape (n,). [s]"""

    ttft_s: FloatArray
    tpot_s: FloatArray
    e2e_s: FloatArray
    queue_s: FloatArray
    step: StepTime  # what every token, or the whole prompt of a pooled request, takes
    running: FloatArray  # sequences that run at once on one data-parallel rank
    prefill_share: FloatArray  # share of a decode step that prompts of others take


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTime:
    """What one prompt costs: alone, and added to the steps of others, shape (n,). [s]"""

    alone_s: FloatArray
    added_s: FloatArray
    step: StepTime  # all its chunks


def steady_latency(case: Case, memory: MemoryPlan) -> Latency:
    """Return the latencies of a closed loop of `concurrency` users on one replica.

    Args:
        case: Candidates and constants.
        memory: Bounds the sequences that run at once.

    Source:
        PHYSICS 11 and 12: TPOT = T_dec(B, S̄) + B·T_pf/O; B = min(C, max_num_seqs, KV capacity); who does not run waits. Every slot
        turns over once per request, so users beyond the slots wait (C − B)/B services, and a request meets the prompt of each other
        slot once: `prompts_ahead` of them before its first token, the rest between its tokens.
    """
    steps = case.scenario.workload.output_tokens - 1.0
    users = np.ceil(case.candidates.concurrency / case.candidates.data_parallel)
    slots = running_slots(case, memory)
    running = np.minimum(users, slots)
    decode, prompt = _decode(case, running), prompt_time(case)
    others = np.maximum(0.0, running - 1.0)
    added = prompt.added_s / case.candidates.pipeline_parallel
    ahead = prompts_ahead(others, prompt_s=added, decode_s=steps * decode.total_s)
    shared = (others - ahead) * added / max(1.0, steps)
    tpot = decode.total_s + shared
    # an arrival finds a step half done when others run; the prompt it may hold is among those ahead
    joining = np.where(others > 0.0, 0.5 * decode.total_s, 0.0)
    first = case.overheads.per_request_s + joining + (ahead + case.overheads.start_burst * others) * added + prompt.alone_s
    queue = np.maximum(0.0, users - slots) / slots * (first + steps * tpot)
    ttft = queue + first
    return Latency(
        ttft_s=ttft,
        tpot_s=tpot,
        e2e_s=ttft + steps * tpot,
        queue_s=queue,
        step=decode,
        running=running,
        prefill_share=shared / tpot,
    )


def prompts_ahead(others: FloatArray, *, prompt_s: FloatArray, decode_s: FloatArray) -> FloatArray:
    """Return how many prompts of others stand before one that arrives, once the users of a closed loop have drifted apart, shape (n,).

    Each of the others is at its prompt for its share of a request's own work, so all of them with one output token and hardly any with
    many. Prompts thus never overlap: no load is answered faster than its prompts can be computed.

    Args:
        others: Other sequences that run, shape (n,).
        prompt_s: What a prompt takes of the devices, shape (n,). [s]
        decode_s: What its decode steps take without them, shape (n,). [s]

    Source:
        Closed network of one queue: Q = N·W/(W + Z) with W = s·(1 + Q), and the cycle W + Z = (N + 1)·s + decoding.
    """
    return np.asarray(others * prompt_s / (prompt_s + decode_s))


def running_slots(case: Case, memory: MemoryPlan) -> FloatArray:
    """Return the sequences that one data-parallel rank can run at once, at least 1, shape (n,).

    Memory is planned for full sequences; running ones are on average half way through their output.
    """
    model, candidates = case.scenario.model, case.candidates
    whole = kv_bytes_per_sequence(
        model, tokens=mean_context(case.scenario), tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes
    )
    sequence = stage_share(model, candidates, whole)
    held = np.where(sequence > 0.0, np.floor(memory.kv_capacity_bytes / np.maximum(sequence, 1.0)), candidates.max_num_seqs)
    return np.maximum(1.0, np.minimum(candidates.max_num_seqs, held))


def mean_context(scenario: Scenario) -> float:
    """Return the mean length of a running sequence: its prompt and half its output. [tokens]"""
    return scenario.workload.input_tokens + scenario.workload.output_tokens / 2.0


def _decode(case: Case, running: FloatArray) -> StepTime:
    """Return the time between two tokens of a sequence; each pipeline stage has its own part of the sequences in hand.

    Source:
        PHYSICS 8.
    """
    part = np.maximum(1.0, running / case.candidates.pipeline_parallel)
    return decode_step(case, sequences=part, context=np.full(len(case.candidates), mean_context(case.scenario)))


def prompt_time(case: Case) -> PromptTime:
    """Return a prompt's time: its chunks follow each other through the stages, one stage apart.

    Source:
        PHYSICS 8 and 11: the marginal prefill is its work without the weight reads.
    """
    prompt = np.full(len(case.candidates), float(case.scenario.workload.input_tokens))
    whole = prefill(case, prompt=prompt)
    chunks = prompt_chunks(case.candidates, prompt)
    stages = case.candidates.pipeline_parallel
    added = whole.compute_s + whole.communication_s + chunks * chunk_overhead_s(case)
    return PromptTime(alone_s=whole.total_s * (chunks + stages - 1.0) / (chunks * stages), added_s=added, step=whole)
