"""One padded batch, begun and ended together: all prompts, then all tokens."""

from budsim.core.elementwise import rounded_up
from budsim.core.latency.case import Case
from budsim.core.latency.demand import Demand
from budsim.core.latency.efficiency import Efficiency
from budsim.core.latency.overheads import Overheads
from budsim.core.latency.scheduler import Latency, demand_of, prompt_cost
from budsim.core.latency.timing import decode_time


def static_latency(case: Case) -> Latency:
    """Return the latencies of a batch of `concurrency` requests; it runs whatever the scheduler's slots.

    Args:
        case: Candidates and constants.
    """
    users = rounded_up(case.candidates.concurrency / case.candidates.data_parallel)
    demand = demand_of(case.scenario, case.candidates, users=users, slots=users)
    return static_batch(demand, case.efficiency, case.overheads)


def static_batch(demand: Demand, efficiency: Efficiency, overheads: Overheads) -> Latency:
    """Return the latencies of a batch: the first token comes when every prompt is done, and no prompt comes between tokens."""
    decode = decode_time(demand.decode, demand.peaks, efficiency, overheads)
    prompt = prompt_cost(demand, efficiency, overheads)
    ttft = prompt.alone_s + (demand.running - 1.0) * prompt.added_s / demand.stages
    return Latency(
        ttft_s=ttft,
        tpot_s=decode.total_s,
        e2e_s=ttft + (demand.output_tokens - 1.0) * decode.total_s,
        queue_s=0.0,
        step=decode,
        prompt=prompt.step,
        running=demand.running,
        prefill_share=0.0,
    )
