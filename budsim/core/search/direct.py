"""Direct search: every layout and concurrency with the engine version's own knobs, in one batch."""

from dataclasses import replace
from typing import Final

import numpy as np

from budsim.core.engines.candidates import BoolArray, Candidates, IntArray
from budsim.core.memory.plan import MemoryModel
from budsim.core.predictors.protocol import Predictor
from budsim.core.search.batch import admitted, judged, one_batch, refusal
from budsim.core.search.configuration import configuration
from budsim.core.search.fitness import meets_means, order, target_users
from budsim.core.search.genome import space_of
from budsim.core.search.part import Configuration, Part, PartResult, SearchTask, Way
from budsim.core.search.space import replicas_held_each, scenario_of
from budsim.core.slo import Slo

NEAR: Final = 4.0  # the widest band that is put around physics, in predictors/intervals.py
SEARCH_NAME: Final = Way.DIRECT.value


def direct_search(task: SearchTask, predictor: Predictor, memory: MemoryModel) -> PartResult:
    """Return the best configurations of a part: memory and prediction are one call each for the whole space.

    Where a layout and concurrency do not fit with the version's own knobs, or feedback bars them so, the knobs that take least memory
    stand in for them.

    Args:
        task: The part, its layouts, and the blacklist entries that concern it.
        predictor: Says how fast a candidate is.
        memory: Says what fits.

    Source:
        LLD 6.1, «heuristic».
    """
    space = space_of(task.part, task.layouts)
    usual, lean = space.loads, space.leanest()
    batch = admitted(task, space.candidates(np.vstack((usual, lean))), memory)
    refused = refusal(task, batch, memory)
    if refused is not None:
        return refused
    result = one_batch(task, batch, np.flatnonzero(standing_in(batch.eligible, usual, lean)), predictor)
    return replace(result, search=SEARCH_NAME)


def nearly_best(task: SearchTask, predictor: Predictor, memory: MemoryModel, *, physics: Predictor) -> Configuration | None:
    """Return the best of the direct search, of what physics says to come near to the target and the SLOs; None where nothing does.

    What is not asked about is what a predictor would have to call faster than physics by more than `NEAR` to make it do.
    """
    part, space = task.part, space_of(task.part, task.layouts)
    usual, lean = space.loads, space.leanest()
    batch = admitted(task, space.candidates(np.vstack((usual, lean))), memory)
    rows = np.flatnonzero(standing_in(batch.eligible, usual, lean))
    rows = rows[_near(part, batch.candidates.take(rows), physics)]
    if not len(rows):
        return None
    found, _ = judged(part, batch, rows, predictor)
    ranked = order(found.fitness, found.candidates, throughput_per_user=found.predictions.throughput_per_user)
    return configuration(part, found, int(ranked[0])) if len(ranked) else None


def _near(part: Part, candidates: Candidates, physics: Predictor) -> BoolArray:
    """Return which candidates carry the target within the SLOs if they are faster than physics says by `NEAR`, shape (n,)."""
    found, slo = physics.predict(scenario_of(part), candidates), part.slo
    lax = Slo(
        ttft_s=slo.ttft_s and slo.ttft_s * NEAR,
        e2e_s=slo.e2e_s and slo.e2e_s * NEAR,
        throughput_per_user=slo.throughput_per_user and slo.throughput_per_user / NEAR,
    )
    carried = replicas_held_each(part, candidates) * candidates.concurrency
    near: BoolArray = meets_means(lax, found) & (carried >= target_users(part.workload, found.e2e_s / NEAR))
    return near


def standing_in(eligible: BoolArray, usual: IntArray, lean: IntArray) -> BoolArray:
    """Return what is judged of the usual and, below them, the lean: of each pair the first that may be proposed."""
    count = len(usual)
    needed = eligible[count:] & ~eligible[:count] & (usual != lean).any(axis=1)
    return np.concatenate((eligible[:count], needed))
