"""Requests that come at a rate: the sequences in flight by Little's law, the wait for prompts by M/G/1, and saturation."""

from dataclasses import dataclass
from typing import Final

from budsim.core.elementwise import Figure, Truth, maximum, minimum, where
from budsim.core.latency.case import Case
from budsim.core.latency.demand import Demand
from budsim.core.latency.scheduler import Latency, PromptCost, demand_of, prompt_cost, running_slots
from budsim.core.latency.timing import StepTime, decode_time
from budsim.core.memory.plan import MemoryPlan

HALVINGS: Final = 40  # of the interval that holds the sequences in flight
ENDLESS_RUN_S: Final = 60.0  # a queue that only grows is read after a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLoad:
    """The load one data-parallel rank settles at.

    Attributes:
        busy: Sequences that decode at once.
        served_per_s: Requests that are answered. [requests/s]
        saturated: Whether more come than can be answered.
    """

    busy: Figure
    served_per_s: Figure
    saturated: Truth


def open_latency(case: Case, memory: MemoryPlan) -> Latency:
    """Return the latencies at the workload's rate of requests.

    Args:
        case: Candidates and constants; the workload has a rate.
        memory: Bounds the sequences that run at once.

    Source:
        PHYSICS 12 and 16. Prompts take the share ρ = λ·s of the time, so tokens come T_dec/(1 − ρ) apart and the first waits
        ρ·s/(2(1 − ρ)), M/G/1 with equal prompts; in flight are λ·(O − 1)·T_dec/(1 − ρ). Beyond the slots, μ = 1/(s + (O − 1)·T_dec/B)
        are served; the n-th request finds n·(1 − μ/λ) before it, and those beyond the slots wait.
    """
    rate = (case.scenario.workload.request_rate_per_s or 0.0) / case.candidates.data_parallel
    slots = minimum(running_slots(case.scenario, case.candidates, memory), maximum(1.0, _kept_fed(case)))
    load = settled(case, rate, slots)
    demand = demand_of(case.scenario, case.candidates, users=load.busy, slots=slots)
    decode, prompt = _step(case, demand), _prompt(case, demand)
    added = prompt.added_s / demand.stages
    share = minimum(load.served_per_s * added, 0.99)
    tpot = decode.total_s / (1.0 - share)
    wait = where(load.saturated, _backlog_s(case, rate, load, prompt_s=added), share * added / (2.0 * (1.0 - share)))
    ttft = case.overheads.per_request_s + 0.5 * decode.total_s + prompt.alone_s + wait
    steps = demand.output_tokens - 1.0
    return Latency(
        ttft_s=ttft,
        tpot_s=tpot,
        e2e_s=ttft + steps * tpot,
        queue_s=where(load.saturated, wait, 0.0),
        step=decode,
        prompt=prompt.step,
        running=load.busy,
        prefill_share=share,
        saturated=load.saturated,
    )


def settled(case: Case, rate_per_s: Figure, slots: Figure) -> OpenLoad:
    """Return the sequences in flight: where as many end as begin, found by halving, or all slots."""
    low: Figure = 0.0
    high = slots
    full, added = _decoding_s(case, slots, slots)
    most = 1.0 / (added + full / slots)
    saturated = rate_per_s >= most
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        busy, added = _decoding_s(case, middle, slots)
        more = rate_per_s * (busy + middle * added) > middle
        low, high = where(more, middle, low), where(more, high, middle)
    return OpenLoad(busy=where(saturated, slots, high), served_per_s=minimum(rate_per_s, most), saturated=saturated)


def _decoding_s(case: Case, busy: Figure, slots: Figure) -> tuple[Figure, Figure]:
    """Return what the tokens of one request take while `busy` decode, and what its prompt adds. [s]"""
    demand = demand_of(case.scenario, case.candidates, users=busy, slots=slots)
    steps = max(0.0, case.scenario.workload.output_tokens - 1.0)
    return steps * _step(case, demand).total_s, _prompt(case, demand).added_s / demand.stages


def _backlog_s(case: Case, rate_per_s: Figure, load: OpenLoad, *, prompt_s: Figure) -> Figure:
    """Return the mean wait of a run that brings more than is served: for prompts until the slots are filled, then for a slot. [s]"""
    requests = case.scenario.workload.requests
    planned = ENDLESS_RUN_S * rate_per_s if requests is None else requests / case.candidates.data_parallel
    rate, count = maximum(rate_per_s, 1e-9), maximum(planned, 1e-9)
    left = maximum(1e-9, 1.0 - load.served_per_s / rate)
    filling = minimum(count, load.busy / left)
    waiting = count - filling
    prompts = filling * filling * maximum(0.0, prompt_s - 1.0 / rate)
    return (prompts + left * waiting * waiting / load.served_per_s) / (2.0 * count)


def _kept_fed(case: Case) -> Figure:
    """Return the sequences that a step's token budget can keep replaced: each takes one token of a step and, every O steps, a prompt.

    Without chunks prompts have steps of their own, and the budget bounds nothing.
    """
    workload, rows = case.scenario.workload, case.candidates
    share = workload.output_tokens / (workload.input_tokens + workload.output_tokens)
    return where(rows.chunked_prefill, rows.max_num_batched_tokens * share, rows.max_num_seqs)


def _step(case: Case, demand: Demand) -> StepTime:
    return decode_time(demand.decode, demand.peaks, case.efficiency, case.overheads)


def _prompt(case: Case, demand: Demand) -> PromptCost:
    return prompt_cost(demand, case.efficiency, case.overheads)
