"""Which way through a space is taken: by method, size and request, never by the clock."""

from collections.abc import Mapping
from typing import Final

from budsim.core.memory.plan import MemoryModel
from budsim.core.predictors.protocol import Method, Predictor
from budsim.core.search.direct import direct_search
from budsim.core.search.exhaustive import exhaustive_search
from budsim.core.search.genetic import Watch, genetic_search
from budsim.core.search.genome import space_of
from budsim.core.search.part import Algorithm, PartResult, SearchTask

# Candidates that one batch judges in 0.2 s on one core, by benchmarks/results/search.json
LARGEST_BATCH: Final[Mapping[Method, int]] = {Method.HEURISTIC: 60_000, Method.REGRESSOR: 10_000}


def find(task: SearchTask, predictor: Predictor, memory: MemoryModel, *, watch: Watch | None = None) -> PartResult:
    """Return the best configurations of a part, found in the way that suits its space.

    Args:
        task: The part, its layouts, and the blacklist entries that concern it.
        predictor: Says how fast a candidate is.
        memory: Says what fits.
        watch: Who looks on, where the search has generations.
    """
    match algorithm_for(task, predictor.method):
        case Algorithm.GENETIC:
            return genetic_search(task, predictor, memory, watch=watch)
        case Algorithm.EXHAUSTIVE:
            return exhaustive_search(task, predictor, memory)
        case Algorithm.DIRECT | Algorithm.AUTO:
            return direct_search(task, predictor, memory)


def algorithm_for(task: SearchTask, method: Method) -> Algorithm:
    """Return the way that is taken: what is asked for, but no enumeration of a space that is too large for one batch.

    Source:
        LLD 6.1: all engine parameters with the regressor, quick estimates with the heuristic.
    """
    asked = task.part.settings.algorithm
    if asked is Algorithm.AUTO and method is Method.HEURISTIC:
        return Algorithm.DIRECT
    if asked in (Algorithm.AUTO, Algorithm.EXHAUSTIVE):
        size = space_of(task.part, task.layouts).upper_size
        return Algorithm.EXHAUSTIVE if size <= LARGEST_BATCH[method] else Algorithm.GENETIC
    return asked
