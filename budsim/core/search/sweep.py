"""Many loads of one part at once: what is found for each number of users, from one batch."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from budsim.core.engines.candidates import IntArray
from budsim.core.memory.plan import MemoryModel
from budsim.core.predictors.protocol import Predictor
from budsim.core.search.batch import admitted, judged, proposed
from budsim.core.search.columns import joined, take
from budsim.core.search.configuration import Judged
from budsim.core.search.direct import standing_in
from budsim.core.search.fitness import judge
from budsim.core.search.genome import space_of
from budsim.core.search.part import Part, PartResult, SearchTask
from budsim.core.search.space import replicas_held_each


def for_users(part: Part, users: int) -> Part:
    """Return the part for so many users in a closed loop."""
    return replace(part, workload=replace(part.workload, concurrency=users, request_rate_per_s=None))


def swept(task: SearchTask, users: Sequence[int], predictor: Predictor, memory: MemoryModel) -> tuple[PartResult, ...]:
    """Return what the direct search finds for each number of users: one call of memory and one of prediction for all of them.

    Args:
        task: A part with layouts of which one fits at least one user.
        users: Numbers of users.
        predictor: Says how fast a candidate is.
        memory: Says what fits.
    """
    parts = [for_users(task.part, count) for count in users]
    spaces = [space_of(part, task.layouts) for part in parts]
    pairs = [(space.loads, space.leanest()) for space in spaces]
    batch = admitted(task, joined([space.candidates(np.vstack(pair)) for space, pair in zip(spaces, pairs, strict=True)]), memory)
    edges = np.cumsum([0, *(len(usual) + len(lean) for usual, lean in pairs)])
    chosen = [
        start + np.flatnonzero(standing_in(batch.eligible[start:end], *pair))
        for (start, end), pair in zip(pairwise(edges.tolist()), pairs, strict=True)
    ]
    found, kept = judged(task.part, batch, np.concatenate(chosen), predictor)
    return tuple(
        proposed(part, _slice(part, found, np.flatnonzero((kept >= start) & (kept < end))), predictor)
        for part, (start, end) in zip(parts, pairwise(edges.tolist()), strict=True)
    )


def _slice(part: Part, found: Judged, rows: IntArray) -> Judged:
    """Return these rows, judged for the part's own users."""
    candidates, predictions = found.candidates.take(rows), take(found.predictions, rows)
    fitness = judge(part, candidates, predictions, max_replicas=replicas_held_each(part, candidates))
    return Judged(candidates=candidates, plan=take(found.plan, rows), predictions=predictions, fitness=fitness)
