"""One search, from task to result."""

from collections.abc import Sequence
from dataclasses import replace

from budsim.core.memory.plan import MemoryModel
from budsim.core.search.beside import predictions_beside
from budsim.core.search.choice import Predictors, choose
from budsim.core.search.counterfactual import Judges, changes_for
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
    result = find(task, predictor, memory, physics=predictors.heuristic, watch=watch)
    beside = predictions_beside(task.part, result, choice.beside) if choice.beside else ()
    changes = changes_for(task, result, Judges(predictor=predictor, physics=predictors.heuristic, memory=memory))
    return replace(result, method_note=choice.note, beside=beside, changes=changes)


def search_users(task: SearchTask, users: Sequence[int], predictors: Predictors, memory: MemoryModel) -> tuple[PartResult, ...]:
    """Return what is found for a part at each number of users, from one batch, with the method and model set asked for."""
    choice = choose(task.part, predictors)
    return tuple(replace(result, method_note=choice.note) for result in swept(task, users, choice.predictor, memory))
