"""Which way through a space is taken: by method, size and request, never by the clock."""

from collections.abc import Mapping
from typing import Final

from budsim.core.memory.plan import MemoryModel
from budsim.core.predictors.protocol import Method, Predictor
from budsim.core.search.direct import direct_search
from budsim.core.search.exhaustive import exhaustive_search
from budsim.core.search.genetic import Watch, genetic_search
from budsim.core.search.genome import space_of
from budsim.core.search.narrowed import narrowed_search
from budsim.core.search.part import Algorithm, PartResult, SearchTask, Way

# Candidates that one batch judges, memory and all, within about 0.2 s on one core: 4 µs each by physics, 14 by a trained model
LARGEST_BATCH: Final[Mapping[Method, int]] = {Method.HEURISTIC: 60_000, Method.REGRESSOR: 10_000}
WHOLE: Final = 1_000  # candidates up to which narrowing first saves a trained model next to nothing
LARGEST_NARROWED: Final = 60_000  # candidates that physics judges within about 0.2 s on one core


def find(task: SearchTask, predictor: Predictor, memory: MemoryModel, *, physics: Predictor, watch: Watch | None = None) -> PartResult:
    """Return the best configurations of a part, found in the way that suits its space.

    Args:
        task: The part, its layouts, and the blacklist entries that concern it.
        predictor: Says how fast a candidate is.
        memory: Says what fits.
        physics: Says the same at once, and nearly as well.
        watch: Who looks on, where the search has generations.
    """
    match way_for(task, predictor.method):
        case Way.GENETIC:
            return genetic_search(task, predictor, memory, watch=watch)
        case Way.EXHAUSTIVE:
            return exhaustive_search(task, predictor, memory)
        case Way.NARROWED:
            return narrowed_search(task, predictor, memory, physics=physics)
        case Way.DIRECT:
            return direct_search(task, predictor, memory)


def way_for(task: SearchTask, method: Method) -> Way:
    """Return the way that is taken: what is asked for, but no enumeration of a space that is too large for it.

    Source:
        LLD 6.1: all engine parameters with the regressor, quick estimates with the heuristic.
    """
    match task.part.settings.algorithm:
        case Algorithm.GENETIC:
            return Way.GENETIC
        case Algorithm.DIRECT:
            return Way.DIRECT
        case Algorithm.EXHAUSTIVE:
            return _by_size(task, whole=LARGEST_BATCH[method])
        case Algorithm.AUTO:
            return Way.DIRECT if method is Method.HEURISTIC else _by_size(task, whole=WHOLE)


def _by_size(task: SearchTask, *, whole: int) -> Way:
    """Return how a space is searched of which so many candidates are enumerated."""
    size = space_of(task.part, task.layouts).upper_size
    if size <= whole:
        return Way.EXHAUSTIVE
    return Way.NARROWED if size <= LARGEST_NARROWED else Way.GENETIC
