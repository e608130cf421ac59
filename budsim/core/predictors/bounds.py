"""What bounds a candidate: the shares of its latency, by what takes them."""

from typing import Final, TypeAlias

from budsim.core.elementwise import Figure, FloatArray, IntArray, maximum, minimum, table, where
from budsim.core.engines.candidates import Rows, entry, row_count
from budsim.core.latency.scheduler import Latency
from budsim.core.latency.timing import StepTime
from budsim.core.memory.plan import MemoryPlan

Parts: TypeAlias = tuple[Figure, Figure, Figure, Figure]  # computing, moving, communication, overhead [s]
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
    compute, bandwidth, communication, overhead = _served(latency, waiting, output_tokens)
    capacity, queue = where(starved, waiting, 0.0), where(starved, 0.0, waiting)
    total = maximum(compute + bandwidth + communication + overhead + capacity + queue, _LEAST_S)
    times = (compute, bandwidth, capacity, communication, queue, overhead)  # in the order of BOUND_CODES
    return table([time / total for time in times], row_count(rows))


def largest_share(shares: FloatArray) -> IntArray:
    """Return the bound of the largest share as codes of BOUND_CODES, shape (n,)."""
    codes: IntArray = shares.argmax(axis=1)
    return codes


def _served(latency: Latency, waiting: Figure, output_tokens: int) -> Parts:
    """Return the time of decode steps and prompts, less the waiting. [s]"""
    steps = max(0.0, output_tokens - 1.0)
    spent = maximum(0.0, latency.e2e_s - waiting)
    decoding = minimum(spent, steps * latency.tpot_s * (1.0 - latency.prefill_share))
    decode, prompt = _parts(latency.step, decoding), _parts(latency.prompt, spent - decoding)
    return decode[0] + prompt[0], decode[1] + prompt[1], decode[2] + prompt[2], decode[3] + prompt[3]


def _parts(step: StepTime, time: Figure) -> Parts:
    """Return a time split as a step is."""
    computing, each = step.compute_s >= step.bandwidth_s, time / maximum(step.total_s, _LEAST_S)
    operators = step.operators_s * each
    return where(computing, operators, 0.0), where(computing, 0.0, operators), step.communication_s * each, step.overhead_s * each
