"""The evaluate stage: of one part, what the topology allows, what fits, and what feedback has barred."""

from collections.abc import Iterable

import numpy as np

from budsim.core.memory.plan import MemoryModel
from budsim.core.search.batch import Admitted, admitted, refusal
from budsim.core.search.blacklist import concerning
from budsim.core.search.genome import space_of
from budsim.core.search.infeasible import no_layout, too_long
from budsim.core.search.part import BlacklistEntry, Layout, Part, PartResult, SearchTask
from budsim.core.search.space import layouts_for


def narrow(part: Part, entries: Iterable[BlacklistEntry], memory: MemoryModel, *, now_s: float) -> SearchTask | PartResult:
    """Return the space left to search, or the refusal of a part of which nothing is left.

    Layouts that fit at no concurrency are dropped. Barred ones stay, with their entries, so that the search can say what it left out.
    What is not left with the version's own knobs nor with the leanest is left with none.

    Args:
        part: What is planned.
        entries: Blacklist of the part's key.
        memory: Says what fits.
        now_s: Present time, for entries that have expired. [unix s]
    """
    refused = too_long(part)
    if refused is not None:
        return refused
    layouts = layouts_for(part)
    if not layouts:
        return no_layout(part)
    task = SearchTask(part=part, layouts=layouts, blacklist=concerning(part, entries, now_s=now_s))
    space = space_of(part, layouts)
    batch = admitted(task, space.candidates(np.vstack((space.loads, space.leanest()))), memory)
    nothing_left = refusal(task, batch, memory)
    return SearchTask(part=part, layouts=_kept(layouts, batch), blacklist=task.blacklist) if nothing_left is None else nothing_left


def _kept(layouts: tuple[Layout, ...], batch: Admitted) -> tuple[Layout, ...]:
    fits, rows = batch.plan.fits, batch.candidates
    shapes = {
        (int(tensor), int(pipeline)) for tensor, pipeline in zip(rows.tensor_parallel[fits], rows.pipeline_parallel[fits], strict=True)
    }
    return tuple(layout for layout in layouts if (layout.tensor_parallel, layout.pipeline_parallel) in shapes)
