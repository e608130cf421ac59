"""Trial: layouts and loads beyond the part's own space, judged in one batch, to see what a changed request would meet."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np

from budsim.core.engines.candidates import BoolArray, Candidates, IntArray
from budsim.core.engines.choices import most_sequences
from budsim.core.engines.knobs import default_candidates
from budsim.core.memory.plan import MemoryModel
from budsim.core.predictors.protocol import Predictor
from budsim.core.search.batch import admitted, judged
from budsim.core.search.configuration import Judged
from budsim.core.search.part import Layout, Part, PartResult, SearchTask
from budsim.core.search.space import concurrency_grid, divides, may_split, replicas_held, replicas_held_each, scenario_of

WIDER: Final = (2, 4, 8, 16)  # devices of one node that are tried, TP over all of them
# ways of dividing the target that are tried: a trained model is asked by load as well
REPLICAS: Final = (*range(1, 17), 18, 20, 22, 25, 28, 32, 36, 40, 45, 50, 56, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Judged candidates with the engine version's own knobs, shape (n,).

    Attributes:
        judged: Those that fit, are not barred and have finite figures.
        held: Replicas of each that the group's nodes hold.
        asked: Whether the part's own space has that load.
    """

    judged: Judged
    held: IntArray
    asked: BoolArray

    @property
    def users(self) -> IntArray:
        """Users one replica carries, shape (n,)."""
        return self.judged.candidates.concurrency


def tried(task: SearchTask, layouts: tuple[Layout, ...], predictor: Predictor, memory: MemoryModel) -> Trial | None:
    """Return the trial of a part over these layouts: one call each of memory and prediction; None where nothing fits.

    Args:
        task: The part, and the blacklist entries that concern it.
        layouts: From `promising`.
        predictor: Says how fast a candidate is.
        memory: Says what fits.
    """
    return tried_loads(task, {layout: _loads(task.part, layout) for layout in layouts}, predictor, memory)


def promising(part: Part, result: PartResult) -> tuple[Layout, ...]:
    """Return the layouts that are tried: what the search proposed, and one node's worth of devices; a trained model is asked by layout."""
    rows = [item.candidate for item in (*result.configurations, *result.pareto)]
    proposed = [Layout(tensor_parallel=row.tensor_parallel, pipeline_parallel=row.pipeline_parallel) for row in rows]
    return tuple(dict.fromkeys((*proposed, *_wider(part))))


def tried_loads(task: SearchTask, loads: Mapping[Layout, Collection[int]], predictor: Predictor, memory: MemoryModel) -> Trial | None:
    """Return the trial of these loads of these layouts, or None where nothing fits."""
    part = task.part
    rows = [(layout, users) for layout, several in loads.items() for users in sorted(set(several))]
    batch = admitted(task, _candidates(part, rows), memory)
    if not batch.eligible.any():
        return None
    found, kept = judged(part, batch, np.flatnonzero(batch.eligible), predictor)
    grids = {layout: set(concurrency_grid(part, max_replicas=replicas_held(part, layout))) for layout in loads}
    asked = np.array([users in grids[layout] for layout, users in rows], dtype=np.bool_)
    return Trial(judged=found, held=replicas_held_each(part, found.candidates), asked=asked[kept])


def _candidates(part: Part, rows: Sequence[tuple[Layout, int]]) -> Candidates:
    return default_candidates(
        scenario_of(part),
        tensor_parallel=np.array([layout.tensor_parallel for layout, _ in rows], dtype=np.int64),
        pipeline_parallel=np.array([layout.pipeline_parallel for layout, _ in rows], dtype=np.int64),
        concurrency=np.array([users for _, users in rows], dtype=np.int64),
    )


def _wider(part: Part) -> Iterable[Layout]:
    """Yield layouts of one node that the nodes may not hold yet."""
    yield Layout(tensor_parallel=1, pipeline_parallel=1)
    for devices in WIDER if may_split(part) else ():
        layout = Layout(tensor_parallel=devices, pipeline_parallel=1)
        if divides(part.model, layout):
            yield layout


def _loads(part: Part, layout: Layout) -> set[int]:
    """Return the loads that are tried: those of the part's own space, and even shares of the target over more replicas than it holds."""
    limit, target = most_sequences(part.engine.kind), part.workload.concurrency
    held = replicas_held(part, layout)
    grid = concurrency_grid(part, max_replicas=held)
    if target is None or part.workload.request_rate_per_s is not None:
        return set(grid)  # under a rate only these loads are ever planned
    even = {min(limit, ceil(target / count)) for count in REPLICAS}
    return {*grid, *even} if held else even
