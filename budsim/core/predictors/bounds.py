"""What bounds a candidate: the shares of its latency, by what takes them."""

from typing import Final

import numpy as np

from budsim.core.elementwise import Figure, FloatArray, IntArray, maximum, minimum, table, where
from budsim.core.engines.candidates import Rows, entry, row_count
from budsim.core.latency.scheduler import Latency
from budsim.core.latency.timing import StepTime
from budsim.core.memory.plan import MemoryPlan
from budsim.core.predictors.protocol import BOUND_CODES, Bound

_LEAST_S: Final = 1e-12  # keeps shares of an empty latency finite [s]


def bound_shares(rows: Rows, plan: MemoryPlan, latency: Latency, *, output_tokens: int) -> FloatArray:
    """Return which share of the E2E latency each bound takes, shape (n, len(BOUND_CODES)), rows of sum 1.

    Waiting is the queue's, or the KV cache's where memory holds fewer sequences than the engine would run. The rest is decode steps and
    prompts, a request's own and those met between its tokens; each is split into operators, communication and overhead, and its
    operators count wholly as what bounds most of their time.

    Args:
        rows: What was predicted: one candidate, or columns of them.
        plan: Their memory.
        latency: Their latencies.
        output_tokens: Tokens of one answer.
    """
    waiting = minimum(latency.queue_s, latency.e2e_s)
    starved = entry(plan.max_concurrency, rows) < rows.max_num_seqs
    times = _served(latency, waiting, output_tokens)
    times[Bound.QUEUE], times[Bound.KV_CAPACITY] = where(starved, 0.0, waiting), where(starved, waiting, 0.0)
    total = maximum(sum(times.values()), _LEAST_S)
    return table([times[bound] / total for bound in BOUND_CODES], row_count(rows))


def largest_share(shares: FloatArray) -> IntArray:
    """Return the bound of the largest share as codes of BOUND_CODES, shape (n,)."""
    return np.asarray(np.argmax(shares, axis=1), dtype=np.int64)


def _served(latency: Latency, waiting: Figure, output_tokens: int) -> dict[Bound, Figure]:
    """Return the time of decode steps and prompts, less the waiting, by bound. [s]"""
    steps = max(0.0, output_tokens - 1.0)
    spent = maximum(0.0, latency.e2e_s - waiting)
    decoding = minimum(spent, steps * latency.tpot_s * (1.0 - latency.prefill_share))
    decode, prompt = _parts(latency.step), _parts(latency.prompt)
    return {bound: decode[bound] * decoding + prompt[bound] * (spent - decoding) for bound in decode}


def _parts(step: StepTime) -> dict[Bound, Figure]:
    """Return the shares of a step by bound."""
    computing, whole = step.compute_s >= step.bandwidth_s, maximum(step.total_s, _LEAST_S)
    return {
        Bound.COMPUTE: where(computing, step.operators_s, 0.0) / whole,
        Bound.BANDWIDTH: where(computing, 0.0, step.operators_s) / whole,
        Bound.COMMUNICATION: step.communication_s / whole,
        Bound.OVERHEAD: step.overhead_s / whole,
    }
