"""One search, from task to result, callable in a process of a pool."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.memory.plan import MemoryModel
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.search.beside import predictions_beside
from budsim.core.search.choice import Predictors, choose
from budsim.core.search.counterfactual import changes_for
from budsim.core.search.genetic import Watch
from budsim.core.search.part import PartResult, SearchTask
from budsim.core.search.remembered import remembered
from budsim.core.search.strategy import find
from budsim.core.search.sweep import swept


def search(task: SearchTask, predictors: Predictors, memory: MemoryModel, *, watch: Watch | None = None) -> PartResult:
    """Return what is found for a part with the method and model set asked for, or with the heuristic and a note when they are not there.

    Args:
        task: The part and the space left to it.
        predictors: What is at hand.
        memory: Says what fits.
        watch: Who looks on.
    """
    choice = choose(task.part, predictors)
    predictor = remembered(choice.predictor)
    result = find(task, predictor, memory, watch=watch)
    beside = predictions_beside(task.part, result, choice.beside) if choice.beside else ()
    changes = changes_for(task, result, predictor, memory)
    return replace(result, method_note=choice.note, beside=beside, changes=changes)


def search_in_process(task: SearchTask) -> PartResult:
    """Return what is found for a part, with models built once per process."""
    return search(task, _predictors(), _memory())


def sweep_in_process(task: SearchTask, users: Sequence[int]) -> tuple[PartResult, ...]:
    """Return what is found for a part at each number of users, from one batch, with the method and model set asked for."""
    choice = choose(task.part, _predictors())
    return tuple(replace(result, method_note=choice.note) for result in swept(task, users, choice.predictor, _memory()))


@cache
def _memory() -> MemoryModel:
    return AnalyticMemory()


@cache
def _predictors() -> Predictors:
    return Predictors(heuristic=HeuristicPredictor(memory=_memory()))


def warm() -> None:
    """Pay for what the first search of a process would: models built, catalogue read."""
    _predictors()
