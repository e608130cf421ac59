"""Continuous batching in steady state: step times → TTFT, TPOT and E2E."""

from budsim.core.elementwise import Figure, Truth, maximum, minimum, rounded_down, rounded_up, where
from budsim.core.engines.candidates import Rows, entry
from budsim.core.engines.spec import Scenario
from budsim.core.latency.case import Case
from budsim.core.latency.demand import Demand
from budsim.core.latency.efficiency import Efficiency
from budsim.core.latency.overheads import Overheads
from budsim.core.latency.shape import shape_of
from budsim.core.latency.steps import decode_demand, peaks_of, prompt_demand
from budsim.core.latency.timing import StepTime, attention_s, decode_time, dispatch_s, prompt_time
from budsim.core.memory.plan import MemoryPlan
from budsim.core.memory.stages import stage_share
from budsim.core.model.kv_cache import keeps_cache, kv_bytes_per_sequence
from budsim.core.values import light_value
from budsim.core.workload import LoadMode


@light_value
class Latency:
    """Mean latencies of one replica under its concurrency. [s]"""

    ttft_s: Figure
    tpot_s: Figure
    e2e_s: Figure
    queue_s: Figure
    step: StepTime  # what every token, or the whole prompt of a pooled request, takes
    prompt: StepTime  # what a prompt takes, run alone
    running: Figure  # sequences that run at once on one data-parallel rank
    prefill_share: Figure  # share of a decode step that prompts of others take
    saturated: Truth | None = None  # of an open loop: more requests come than can be answered


@light_value
class PromptCost:
    """What one prompt costs. [s]

    Attributes:
        alone_s: Run alone.
        added_s: Added to the steps of others, when prompts come as often as they do in the steady state.
        queued_s: The same in a queue so long that every step takes as many prompts as it may.
        step: All its chunks.
    """

    alone_s: Figure
    added_s: Figure
    queued_s: Figure
    step: StepTime


def steady_latency(case: Case, memory: MemoryPlan) -> Latency:
    """Return the latencies of a closed loop of `concurrency` users on one replica.

    Args:
        case: Candidates and constants.
        memory: Bounds the sequences that run at once.
    """
    users = rounded_up(case.candidates.concurrency / case.candidates.data_parallel)
    demand = demand_of(case.scenario, case.candidates, users=users, slots=running_slots(case.scenario, case.candidates, memory))
    return closed_loop(demand, case.efficiency, case.overheads)


def demand_of(scenario: Scenario, candidates: Rows, *, users: Figure, slots: Figure) -> Demand:
    """Return what a load asks of one data-parallel rank of every candidate.

    Each pipeline stage has its own part of the sequences in hand.

    Args:
        scenario: Model, device and request shape.
        candidates: One, or columns of them.
        users: Users of one rank.
        slots: Sequences it can run at once.

    Source:
        PHYSICS 8 and 12: B = min(C, max_num_seqs, KV capacity).
    """
    workload, cached = scenario.workload, cached_tokens(scenario, candidates)
    prompt = float(workload.input_tokens) - cached
    whole = prompt_demand(scenario, candidates, prompt=prompt, cached=cached)
    part = maximum(1.0, minimum(users, slots) / candidates.pipeline_parallel)
    return Demand(
        peaks=peaks_of(scenario),
        decode=decode_demand(scenario, candidates, sequences=part, context=mean_context(scenario)),
        prompt=whole,
        users=users,
        slots=slots,
        stages=candidates.pipeline_parallel,
        crowd=_crowd(scenario, candidates, users=users, slots=slots),
        chunks=whole.steps,
        step_share=minimum(1.0, prompt / candidates.max_num_batched_tokens),
        output_tokens=float(workload.output_tokens),
        rounds=float(workload.requests_per_user),
    )


def cached_tokens(scenario: Scenario, candidates: Rows) -> Figure:
    """Return the tokens of a prompt that need not be computed, for a prefix cache holds them. [tokens]

    Whole blocks are shared, and a prompt's last token is always computed, for its successor is sampled from it. A prefix that requests
    share is held by those that run, so it is not evicted while there is a load.

    Source:
        PHYSICS 13; vLLM's block pool looks up at most the prompt's tokens but one, in whole blocks.
    """
    share, prompt = scenario.workload.cached_share, float(scenario.workload.input_tokens)
    if share <= 0.0 or not keeps_cache(scenario.model):
        return 0.0
    block = maximum(1.0, candidates.block_size)
    return where(candidates.prefix_caching, rounded_down(min(share * prompt, prompt - 1.0) / block) * block, 0.0)


def _crowd(scenario: Scenario, candidates: Rows, *, users: Figure, slots: Figure) -> Figure:
    """Return the sequences whose prompts stand in each other's way."""
    running = minimum(users, slots)
    if not shape_of(scenario.model).routed_layers:
        return running
    ranks = candidates.data_parallel
    together = ranks * running if scenario.workload.mode is LoadMode.OPEN_LOOP else minimum(candidates.concurrency, ranks * slots)
    return where(ranks > 1.0, together, running)


def closed_loop(demand: Demand, efficiency: Efficiency, overheads: Overheads) -> Latency:
    """Return the latencies of users who each send the next request when the last is answered.

    Source:
        PHYSICS 11 and 12: TPOT = T_dec(B, S̄) + B·T_pf/O; who does not run waits. Every slot turns over once per request, so users beyond
        the slots wait (C − B)/B services, and a request meets the prompt of each other slot once: `prompts_ahead` of them before its
        first token, the rest between its tokens.
    """
    running = demand.running
    decode = decode_time(demand.decode, demand.peaks, efficiency, overheads)
    prompt = prompt_cost(demand, efficiency, overheads)
    step_s, steps = decode.total_s, demand.output_tokens - 1.0
    added = prompt.added_s / demand.stages
    others = maximum(0.0, _met(demand, prompt_s=added, decode_s=steps * step_s) - 1.0)
    ahead = prompts_ahead(others, prompt_s=added, decode_s=steps * step_s)
    shared = (others - ahead) * added / maximum(1.0, steps)
    tpot = step_s + shared
    # an arrival finds a step half done when others run; the prompt it may hold is among those ahead. Each of its own chunks shares its
    # step with the tokens of the others.
    beside = attention_s(demand.decode, demand.peaks, efficiency) + demand.decode.sequences * overheads.per_sequence_s
    joining = where(others > 0.0, 0.5 * step_s + demand.chunks * beside, 0.0)
    first = (
        overheads.per_request_s
        + joining
        + ahead * added
        + prompt.alone_s
        + start_burst_s(prompt.queued_s / demand.stages, demand, overheads)
    )
    queue = maximum(0.0, demand.users - demand.slots) / demand.slots * (first + steps * tpot)
    ttft = queue + first
    return Latency(
        ttft_s=ttft,
        tpot_s=tpot,
        e2e_s=ttft + steps * tpot,
        queue_s=queue,
        step=decode,
        prompt=prompt.step,
        running=running,
        prefill_share=shared / tpot,
    )


def _met(demand: Demand, *, prompt_s: Figure, decode_s: Figure) -> Figure:
    """Return the sequences whose prompts stand in each other's way: those of other ranks less what ranks run at the same time.

    A rank that is busy with prompts for a share u of its time makes the others wait as long as any of them is: 1 − (1 − u)^ranks.
    """
    running = demand.running
    own, ranks = running * prompt_s, demand.crowd / running
    busy = own / (own + decode_s)
    return where(ranks > 1.0, running * (1.0 - (1.0 - busy) ** ranks) / maximum(busy, 1e-12), demand.crowd)


def start_burst_s(queued_s: Figure, demand: Demand, overheads: Overheads) -> Figure:
    """Return what the common start of all users adds to the mean first token of a run. [s]

    In the first of `rounds` requests the prompts of each rank stand in one queue, where a request waits for half of them, and the engine
    handles the requests of all ranks.

    Source:
        PHYSICS 12: a burst of C arrivals waits (C − 1)/2 prefills on average.
    """
    waiting = (demand.running - 1.0) * queued_s + (demand.crowd - 1.0) * overheads.per_user_s
    return overheads.start_burst / demand.rounds * maximum(0.0, waiting) / 2.0


def prompts_ahead(others: Figure, *, prompt_s: Figure, decode_s: Figure) -> Figure:
    """Return how many prompts of others stand before one that arrives, once the users of a closed loop have drifted apart.

    Each of the others is at its prompt for its share of a request's own work, so all of them with one output token and hardly any with
    many. Prompts thus never overlap: no load is answered faster than its prompts can be computed.

    Args:
        others: Other sequences that run.
        prompt_s: What a prompt takes of the devices. [s]
        decode_s: What its decode steps take without them. [s]

    Source:
        Closed network of one queue: Q = N·W/(W + Z) with W = s·(1 + Q), and the cycle W + Z = (N + 1)·s + decoding.
    """
    return others * prompt_s / (prompt_s + decode_s)


def running_slots(scenario: Scenario, candidates: Rows, memory: MemoryPlan) -> Figure:
    """Return the sequences that one data-parallel rank can run at once, at least 1.

    Memory is planned for full sequences; running ones are on average half way through their output.
    """
    whole = kv_bytes_per_sequence(
        scenario.model,
        tokens=mean_context(scenario),
        tensor_parallel=candidates.tensor_parallel,
        bytes_per_value=candidates.kv_width_bytes,
    )
    sequence = stage_share(scenario.model, candidates, whole)
    capacity = entry(memory.kv_capacity_bytes, candidates)
    held = where(sequence > 0.0, rounded_down(capacity / maximum(sequence, 1.0)), candidates.max_num_seqs)
    return maximum(1.0, minimum(candidates.max_num_seqs, held))


def mean_context(scenario: Scenario) -> float:
    """Return the mean length of a running sequence: its prompt and half its output. [tokens]"""
    return scenario.workload.input_tokens + scenario.workload.output_tokens / 2.0


def prompt_cost(demand: Demand, efficiency: Efficiency, overheads: Overheads) -> PromptCost:
    """Return a prompt's time: its chunks follow each other through the stages, one stage apart.

    What a step that holds prompts costs beside their work is paid once however many prompts share the step.

    Source:
        PHYSICS 8 and 11: the marginal prefill is its work without the weight reads. vLLM and TensorRT-LLM put prompts into the steps of
        running sequences; SGLang and TGI run them in steps of their own, which read the weights again.
    """
    whole = prompt_time(demand.prompt, demand.peaks, efficiency, overheads)
    marginal = whole.compute_s + whole.communication_s
    apart = overheads.prefill_apart * (whole.total_s - marginal - dispatch_s(demand.prompt, efficiency))
    step = (dispatch_s(demand.prompt, efficiency) + maximum(0.0, apart)) / demand.chunks
    arrivals = (demand.crowd - 1.0) / maximum(1.0, demand.output_tokens - 1.0)
    fewest = where(demand.chunks > 1.0, demand.chunks, demand.step_share)
    steps = where(demand.chunks > 1.0, demand.chunks, minimum(maximum(1.0 / maximum(1.0, arrivals), fewest), 1.0))
    return PromptCost(
        alone_s=whole.total_s * (demand.chunks + demand.stages - 1.0) / (demand.chunks * demand.stages),
        added_s=marginal + steps * step,
        queued_s=marginal + fewest * step,
        step=whole,
    )
