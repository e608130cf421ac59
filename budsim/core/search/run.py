"""One search, from task to result, callable in a process of a pool."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.memory.plan import MemoryModel
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.predictors.protocol import Method, Predictor
from budsim.core.search.direct import direct_search
from budsim.core.search.part import PartResult, SearchTask


def search(task: SearchTask, predictors: Mapping[Method, Predictor], memory: MemoryModel) -> PartResult:
    """Return what is found for a part with the method asked for, or with the heuristic and a note when that is not there.

    Args:
        task: The part and the space left to it.
        predictors: The methods at hand; the heuristic always is.
        memory: Says what fits.
    """
    asked = task.part.requested_method
    predictor = predictors.get(asked)
    if predictor is not None:
        return direct_search(task, predictor, memory)
    result = direct_search(task, predictors[Method.HEURISTIC], memory)
    device = task.part.group.accelerator.device_type
    return replace(result, method_note=f"no {asked} is there for {task.part.engine.kind} on {device}: answered by {Method.HEURISTIC}")


def search_in_process(task: SearchTask) -> PartResult:
    """Return what is found for a part, with models built once per process."""
    return search(task, _predictors(), _memory())


@cache
def _memory() -> MemoryModel:
    return AnalyticMemory()


@cache
def _predictors() -> Mapping[Method, Predictor]:
    return {Method.HEURISTIC: HeuristicPredictor(memory=_memory())}


def warm() -> None:
    """Pay for what the first search of a process would: models built, catalogue read."""
    _predictors()
