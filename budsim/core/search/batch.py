"""What every search does with a batch of candidates: admit, predict, judge, propose."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from budsim.core.engines.candidates import BoolArray, Candidates, IntArray
from budsim.core.memory.plan import MemoryModel, MemoryPlan
from budsim.core.predictors.protocol import Predictor
from budsim.core.search.blacklist import all_barred, barred
from budsim.core.search.columns import finite, take
from budsim.core.search.configuration import Judged, configuration
from budsim.core.search.different import different
from budsim.core.search.fitness import Fitness, judge, order
from budsim.core.search.infeasible import infeasible, no_layout, nothing_fits
from budsim.core.search.pareto import front
from budsim.core.search.part import Part, PartResult, PartStatus, SearchTask
from budsim.core.search.remedy import smallest_changes
from budsim.core.search.space import replicas_held_each, scenario_of

MAX_PARETO: Final = 10  # points of the front that travel with a result: about 1 kB each


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A batch with its memory, and which of it may be proposed, shape (n,)."""

    candidates: Candidates
    plan: MemoryPlan
    eligible: BoolArray
    excluded: tuple[str, ...]


def admitted(task: SearchTask, candidates: Candidates, memory: MemoryModel) -> Admitted:
    """Return which candidates fit and are not barred by feedback."""
    plan = memory.plan(scenario_of(task.part), candidates)
    out = barred(task.blacklist, candidates, total_bytes=plan.total_bytes, eligible=plan.fits)
    return Admitted(candidates=candidates, plan=plan, eligible=plan.fits & ~out.mask, excluded=out.config_ids)


def refusal(task: SearchTask, batch: Admitted, memory: MemoryModel) -> PartResult | None:
    """Return why nothing of a batch may be proposed, or None when something may."""
    if batch.eligible.any():
        return None
    if not len(batch.candidates):
        return no_layout(task.part)
    if not batch.plan.fits.any():
        return nothing_fits(task.part, batch.candidates, batch.plan, changes=smallest_changes(task.part, memory))
    return all_barred(task.part, PartResult(part_id=task.part.part_id, status=PartStatus.INFEASIBLE, excluded=batch.excluded))


def judged(part: Part, batch: Admitted, rows: IntArray, predictor: Predictor) -> tuple[Judged, IntArray]:
    """Return these rows of a batch, predicted in one call and judged, less those without a finite prediction; and which are left.

    Args:
        part: Load, SLOs and price.
        batch: Admitted candidates.
        rows: Indices of what is judged, shape (m,).
        predictor: Says how fast a candidate is.
    """
    predictions = predictor.predict(scenario_of(part), batch.candidates.take(rows))
    real = np.flatnonzero(finite(predictions))
    kept, figures = batch.candidates.take(rows[real]), take(predictions, real)
    fitness = judge(part, kept, figures, max_replicas=replicas_held_each(part, kept))
    return Judged(candidates=kept, plan=take(batch.plan, rows[real]), predictions=figures, fitness=fitness), rows[real]


def one_batch(task: SearchTask, batch: Admitted, rows: IntArray, predictor: Predictor) -> PartResult:
    """Return the best of these rows of a batch, all of them predicted at once."""
    found, _ = judged(task.part, batch, rows, predictor)
    result = proposed(task.part, found, predictor)
    return replace(result, evaluations=len(rows), excluded=batch.excluded)


def proposed(part: Part, found: Judged, predictor: Predictor) -> PartResult:
    """Return what is proposed of judged candidates: the best that truly differ, and the front."""
    if not len(found.candidates):
        return _overloaded(part)
    everything = order(found.fitness, found.candidates, throughput_per_user=found.predictions.throughput_per_user)
    ranked = carriers(everything, found.fitness)
    best = different(ranked, found, limit=part.settings.top_k)
    points = list(dict.fromkeys((*front_of(ranked, found, limit=MAX_PARETO), *_beside_others(everything, found.fitness))))
    told = {index: configuration(part, found, index) for index in dict.fromkeys((*best, *points))}
    return PartResult(
        part_id=part.part_id,
        status=PartStatus.FOUND,
        configurations=tuple(told[index] for index in best),
        pareto=tuple(told[index] for index in points),
        method=predictor.method,
        predictor_version=predictor.version,
    )


def carriers(ranked: IntArray, fitness: Fitness) -> IntArray:
    """Return those that carry the target; when none does, all: ranking tells how far they reach."""
    carriers = ranked[fitness.uncarried[ranked] == 0.0]
    return carriers if len(carriers) else ranked


def _beside_others(ranked: IntArray, fitness: Fitness) -> list[int]:
    """Return what carries most of the target within the SLOs where nothing carries all of it so: beside other groups it may do."""
    within = ranked[fitness.meets_slo[ranked]]
    return [int(within[0])] if len(within) and fitness.uncarried[within[0]] > 0.0 else []


def front_of(ranked: IntArray, found: Judged, *, limit: int) -> list[int]:
    """Return which of the ranked are undominated in cost, E2E latency and throughput, at most so many."""
    points = front(
        cost=found.fitness.cost_per_million_tokens[ranked],
        e2e_s=found.predictions.e2e_s[ranked],
        throughput_per_user=found.predictions.throughput_per_user[ranked],
        limit=limit,
    )
    return [int(index) for index in ranked[points]]


def _overloaded(part: Part) -> PartResult:
    reason = f"no configuration of {part.engine.kind} on {part.group.device_name} in {part.group.cluster_id} keeps up with the load"
    return infeasible(part, reason, remedy="lower request_rate or concurrency, or offer more devices")
