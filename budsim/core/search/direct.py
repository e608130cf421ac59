"""Direct search: every candidate of a small space, judged in one batch."""

from dataclasses import replace
from typing import Final

import numpy as np

from budsim.core.engines.candidates import Candidates, IntArray
from budsim.core.memory.plan import MemoryModel, MemoryPlan
from budsim.core.predictors.protocol import Predictor
from budsim.core.search.blacklist import all_barred, barred
from budsim.core.search.columns import finite, take
from budsim.core.search.configuration import Judged, configuration
from budsim.core.search.fitness import Fitness, judge, order
from budsim.core.search.infeasible import infeasible, no_layout, nothing_fits
from budsim.core.search.pareto import front
from budsim.core.search.part import Part, PartResult, PartStatus, SearchTask
from budsim.core.search.remedy import smallest_change
from budsim.core.search.space import candidate_space, replicas_held_each, scenario_of

SEARCH_NAME: Final = "direct"
MAX_PARETO: Final = 10  # points of the front that travel with a result: about 1 kB each
APART: Final = 2.0  # factor of concurrency from which two candidates of one layout are different proposals


def direct_search(task: SearchTask, predictor: Predictor, memory: MemoryModel) -> PartResult:
    """Return the best configurations of a part: memory and prediction are one call each for the whole space.

    Args:
        task: The part, its layouts, and the blacklist entries that concern it.
        predictor: Says how fast a candidate is.
        memory: Says what fits.
    """
    part = task.part
    candidates = candidate_space(part, task.layouts)
    if not len(candidates):
        return no_layout(part)
    plan = memory.plan(scenario_of(part), candidates)
    if not plan.fits.any():
        return nothing_fits(part, candidates, plan, remedy=smallest_change(part, memory))
    excluded = barred(task.blacklist, candidates, total_bytes=plan.total_bytes, eligible=plan.fits)
    left = np.flatnonzero(plan.fits & ~excluded.mask)
    if not len(left):
        return all_barred(part, PartResult(part_id=part.part_id, status=PartStatus.INFEASIBLE, excluded=excluded.config_ids))
    return replace(_found(task, predictor, candidates.take(left), take(plan, left)), excluded=excluded.config_ids)


def different(ranked: IntArray, judged: Judged, *, limit: int) -> list[int]:
    """Return up to `limit` of the ranked indices, best first, that are truly different proposals.

    Of one layout only candidates whose concurrency is apart by a factor count as different. Among equals in carrying the target and in
    meeting the SLOs, each layout's first comes before any layout's second: feedback bars whole layouts, so the next best should be another.

    Args:
        ranked: Indices of the eligible candidates, best first.
        judged: What they were judged by.
        limit: Most indices returned.
    """
    columns = (judged.candidates.tensor_parallel, judged.candidates.pipeline_parallel, judged.candidates.concurrency)
    tiers = (judged.fitness.uncarried > 0.0, ~judged.fitness.meets_slo)
    seen: dict[tuple[int, int], list[int]] = {}
    proposals: list[tuple[bool, bool, int, int]] = []
    rows = zip(*(column[ranked].tolist() for column in (*columns, *tiers)), strict=True)
    for rank, (tensor, pipeline, users, short, missed) in enumerate(rows):
        chosen = seen.setdefault((tensor, pipeline), [])
        if all(max(users, other) >= APART * min(users, other) for other in chosen):
            proposals.append((short, missed, len(chosen), rank))
            chosen.append(users)
    return [int(ranked[rank]) for rank in sorted(proposal[-1] for proposal in sorted(proposals)[:limit])]


def _found(task: SearchTask, predictor: Predictor, candidates: Candidates, plan: MemoryPlan) -> PartResult:
    part = task.part
    predictions = predictor.predict(scenario_of(part), candidates)
    kept = np.flatnonzero(finite(predictions))
    if not len(kept):
        return _overloaded(part, evaluations=len(candidates))
    rows, figures = candidates.take(kept), take(predictions, kept)
    fitness = judge(part, rows, figures, max_replicas=replicas_held_each(part, rows))
    judged = Judged(candidates=rows, plan=take(plan, kept), predictions=figures, fitness=fitness)
    ranked = _carriers(order(fitness, rows, throughput_per_user=figures.throughput_per_user), fitness)
    best, points = different(ranked, judged, limit=part.settings.top_k), _front(ranked, judged)
    told = {index: configuration(part, judged, index) for index in dict.fromkeys((*best, *points))}
    return PartResult(
        part_id=part.part_id,
        status=PartStatus.FOUND,
        configurations=tuple(told[index] for index in best),
        pareto=tuple(told[index] for index in points),
        method=predictor.method,
        predictor_version=predictor.version,
        search=SEARCH_NAME,
        evaluations=len(candidates),
    )


def _carriers(ranked: IntArray, fitness: Fitness) -> IntArray:
    """Return those that carry the target; when none does, all: ranking tells how far they reach."""
    carriers = ranked[fitness.uncarried[ranked] == 0.0]
    return carriers if len(carriers) else ranked


def _front(ranked: IntArray, judged: Judged) -> list[int]:
    points = front(
        cost=judged.fitness.cost_per_million_tokens[ranked],
        e2e_s=judged.predictions.e2e_s[ranked],
        throughput_per_user=judged.predictions.throughput_per_user[ranked],
        limit=MAX_PARETO,
    )
    return [int(index) for index in ranked[points]]


def _overloaded(part: Part, *, evaluations: int) -> PartResult:
    reason = f"no configuration of {part.engine.kind} on {part.group.device_name} in {part.group.cluster_id} keeps up with the load"
    refusal = infeasible(part, reason, remedy="lower request_rate or concurrency, or offer more devices")
    return replace(refusal, search=SEARCH_NAME, evaluations=evaluations)
