"""The evaluate stage: of one part, what the topology allows, what fits, and what feedback has barred."""

from collections.abc import Iterable

from budsim.core.engines.candidates import BoolArray, Candidates
from budsim.core.memory.plan import MemoryModel
from budsim.core.search.blacklist import all_barred, barred, concerning
from budsim.core.search.infeasible import no_layout, nothing_fits, too_long
from budsim.core.search.part import BlacklistEntry, Layout, Part, PartResult, PartStatus, SearchTask
from budsim.core.search.remedy import smallest_change
from budsim.core.search.space import candidate_space, layouts_for, scenario_of


def narrow(part: Part, entries: Iterable[BlacklistEntry], memory: MemoryModel, *, now_s: float) -> SearchTask | PartResult:
    """Return the space left to search, or the refusal of a part of which nothing is left.

    Layouts that fit at no concurrency are dropped. Barred ones stay, with their entries, so that the search can say what it left out.

    Args:
        part: What is planned.
        entries: Blacklist of the part's key.
        memory: Says what fits.
        now_s: Present time, for entries that have expired. [unix s]
    """
    refusal = too_long(part)
    if refusal is not None:
        return refusal
    layouts = layouts_for(part)
    if not layouts:
        return no_layout(part)
    candidates = candidate_space(part, layouts)
    plan = memory.plan(scenario_of(part), candidates)
    if not plan.fits.any():
        return nothing_fits(part, candidates, plan, remedy=smallest_change(part, memory))
    live = concerning(part, entries, now_s=now_s)
    excluded = barred(live, candidates, total_bytes=plan.total_bytes, eligible=plan.fits)
    if (plan.fits & ~excluded.mask).any():
        return SearchTask(part=part, layouts=_kept(layouts, candidates, plan.fits), blacklist=live)
    return all_barred(part, PartResult(part_id=part.part_id, status=PartStatus.INFEASIBLE, excluded=excluded.config_ids))


def _kept(layouts: tuple[Layout, ...], candidates: Candidates, fits: BoolArray) -> tuple[Layout, ...]:
    shapes = {
        (int(tensor), int(pipeline))
        for tensor, pipeline in zip(candidates.tensor_parallel[fits], candidates.pipeline_parallel[fits], strict=True)
    }
    return tuple(layout for layout in layouts if (layout.tensor_parallel, layout.pipeline_parallel) in shapes)
