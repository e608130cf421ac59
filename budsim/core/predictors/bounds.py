"""What bounds a candidate: the shares of its latency, by what takes them."""

from typing import Final

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray, IntArray
from budsim.core.latency.scheduler import Latency
from budsim.core.latency.timing import StepTime
from budsim.core.memory.plan import MemoryPlan
from budsim.core.predictors.protocol import BOUND_CODES, Bound

_LEAST_S: Final = 1e-12  # keeps shares of an empty latency finite [s]


def bound_shares(candidates: Candidates, plan: MemoryPlan, latency: Latency, *, output_tokens: int) -> FloatArray:
    """Return which share of the E2E latency each bound takes, shape (n, len(BOUND_CODES)), rows of sum 1.

    Waiting is the queue's, or the KV cache's where memory holds fewer sequences than the engine would run. The rest is decode steps and
    prompts, a request's own and those met between its tokens; each is split into operators, communication and overhead, and its
    operators count wholly as what bounds most of their time.

    Args:
        candidates: What was predicted, shape (n,).
        plan: Their memory.
        latency: Their latencies.
        output_tokens: Tokens of one answer.
    """
    waiting = np.minimum(latency.queue_s, latency.e2e_s)
    starved = plan.max_concurrency < candidates.max_num_seqs
    decode, prompts = _served(latency, waiting, output_tokens)
    times = decode + prompts
    times[:, _code(Bound.QUEUE)] = np.where(starved, 0.0, waiting)
    times[:, _code(Bound.KV_CAPACITY)] = np.where(starved, waiting, 0.0)
    return np.asarray(times / np.maximum(times.sum(axis=1, keepdims=True), _LEAST_S))


def largest_share(shares: FloatArray) -> IntArray:
    """Return the bound of the largest share as codes of BOUND_CODES, shape (n,)."""
    return np.asarray(np.argmax(shares, axis=1), dtype=np.int64)


def _served(latency: Latency, waiting: FloatArray, output_tokens: int) -> tuple[FloatArray, FloatArray]:
    """Return the times of decode steps and of prompts, less the waiting, by bound, shape (n, len(BOUND_CODES)) each. [s]"""
    steps = max(0.0, output_tokens - 1.0)
    spent = np.maximum(0.0, latency.e2e_s - waiting)
    decoding = np.minimum(spent, steps * latency.tpot_s * (1.0 - latency.prefill_share))
    return _parts(latency.step) * decoding[:, None], _parts(latency.prompt) * (spent - decoding)[:, None]


def _parts(step: StepTime) -> FloatArray:
    """Return the shares of a step by bound, shape (n, len(BOUND_CODES))."""
    computing = step.compute_s >= step.bandwidth_s
    columns = {
        Bound.COMPUTE: np.where(computing, step.operators_s, 0.0),
        Bound.BANDWIDTH: np.where(computing, 0.0, step.operators_s),
        Bound.COMMUNICATION: step.communication_s,
        Bound.OVERHEAD: step.overhead_s,
    }
    none = np.zeros_like(step.operators_s)
    times = np.column_stack([columns.get(bound, none) for bound in BOUND_CODES])
    return np.asarray(times / np.maximum(times.sum(axis=1, keepdims=True), _LEAST_S))


def _code(bound: Bound) -> int:
    return BOUND_CODES.index(bound)
