"""Embedding and reranking: a request is one prompt, and nothing is decoded."""

from budsim.core.elementwise import maximum, rounded_up
from budsim.core.latency.case import Case
from budsim.core.latency.scheduler import Latency, demand_of, prompt_cost


def pooled_latency(case: Case) -> Latency:
    """Return the latencies of a closed loop of users who each send one prompt after the other.

    Args:
        case: Candidates and constants.

    Source:
        PHYSICS 12: in a closed loop a request passes after one prompt of each other user; TTFT is the whole answer, TPOT nothing.
    """
    users = rounded_up(case.candidates.concurrency / case.candidates.data_parallel)
    prompt = prompt_cost(demand_of(case.scenario, case.candidates, users=users, slots=users), case.efficiency, case.overheads)
    queue = maximum(0.0, users - 1.0) * prompt.added_s / case.candidates.pipeline_parallel
    answered = case.overheads.per_request_s + prompt.alone_s + queue
    return Latency(
        ttft_s=answered,
        tpot_s=0.0,
        e2e_s=answered,
        queue_s=queue,
        step=prompt.step,
        prompt=prompt.step,
        running=users,
        prefill_share=1.0,
    )
