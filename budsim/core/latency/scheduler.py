"""Continuous batching in steady state: step times → TTFT, TPOT and E2E."""

from dataclasses import dataclass

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.engines.spec import Scenario
from budsim.core.latency.efficiency import efficiency_of
from budsim.core.latency.steps import StepTime, decode_step, prefill, prefill_margin_s
from budsim.core.memory.plan import MemoryPlan

PREFILLS_AHEAD = 0.5  # on average half of the users that share a replica prefill before one of them (PHYSICS 12)
SLOT_COLLISIONS = 0.1  # share of slots that turn over together in a steady closed loop; a burst would be 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Mean latencies of one replica under its concurrency, shape (n,). [s]"""

    ttft_s: FloatArray
    tpot_s: FloatArray
    e2e_s: FloatArray
    queue_s: FloatArray
    decode: StepTime
    running: FloatArray  # sequences that run at once
    prefill_share: FloatArray  # share of a step that prompts of others take


def steady_latency(scenario: Scenario, candidates: Candidates, memory: MemoryPlan) -> Latency:
    """Return the latencies of a closed loop of `candidates.concurrency` users on one replica.

    Args:
        scenario: Model, device, engine and load.
        candidates: Columns of shape (n,).
        memory: Bounds the sequences that run at once.

    Source:
        PHYSICS 11 and 12: TPOT = T_dec(B, S̄) + B·T_pf/O; B = min(C, max_num_seqs, KV capacity); who does not run waits.
    """
    load = scenario.workload
    users = np.ceil(candidates.concurrency / candidates.data_parallel)
    slots = np.maximum(1.0, np.minimum(candidates.max_num_seqs, memory.max_concurrency))
    running = np.minimum(users, slots)
    outputs = float(load.output_tokens)
    prompt = np.full(len(candidates), float(load.input_tokens))
    context = prompt + outputs / 2.0
    decode = decode_step(scenario, candidates, sequences=running, context=context)
    alone = prefill(scenario, candidates, prompt=prompt)
    margin = prefill_margin_s(scenario, candidates, prompt=prompt)
    others = np.maximum(0.0, running - 1.0)
    shared = others * margin / outputs
    tpot = decode.total_s + shared
    ahead = PREFILLS_AHEAD * SLOT_COLLISIONS * others * margin
    own = alone.total_s + efficiency_of(scenario.device.device_type).per_request_s
    service = own + ahead + (outputs - 1.0) * tpot
    queue = np.maximum(0.0, users - slots) / slots * service
    ttft = queue + ahead + own
    return Latency(
        ttft_s=ttft,
        tpot_s=tpot,
        e2e_s=ttft + (outputs - 1.0) * tpot,
        queue_s=queue,
        decode=decode,
        running=running,
        prefill_share=shared / tpot,
    )
