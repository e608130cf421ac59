"""The search of one part with the model sets on disk, callable in a process of the pool."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from budsim.adapters.model_cards import set_version
from budsim.adapters.model_sets import InstalledSets, SetFolders
from budsim.adapters.trained_models import load_model_set
from budsim.core.hardware.spec import DeviceType
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.predictors.regressor import RegressorPredictor
from budsim.core.search.choice import Pair, Predictors, PredictorSet
from budsim.core.search.genetic import Watch
from budsim.core.search.part import PartResult, SearchTask
from budsim.core.search.run import search, search_users

MOST_S: Final = 5.0  # the last resort: what ends a search is its budget of evaluations, so that a replay finds the same


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSearch:
    """Searches parts; it travels to the pool's processes as the folders alone, and each process loads them once.

    Attributes:
        folders: Where model sets lie.
        clock: Tells how late it is. [s]
    """

    folders: SetFolders
    clock: Callable[[], float] = time.monotonic

    def __call__(self, task: SearchTask) -> PartResult:
        """Return what is found for a part."""
        ends_s = self.clock() + MOST_S
        return search(task, _predictors(self.folders), _memory(), watch=Watch(is_late=lambda: self.clock() > ends_s))

    def search_users(self, task: SearchTask, users: Sequence[int]) -> tuple[PartResult, ...]:
        """Return what is found for a part at each number of users, from one batch."""
        return search_users(task, users, _predictors(self.folders), _memory())

    def warm(self) -> None:
        """Pay for what the first search of a process would: models loaded, catalogue read."""
        sets = _predictors(self.folders).sets
        _ = sets.primary, sets.second


@cache
def _memory() -> AnalyticMemory:
    return AnalyticMemory()


@cache
def _heuristic() -> HeuristicPredictor:
    return HeuristicPredictor(memory=_memory())


@cache
def _predictors(folders: SetFolders) -> Predictors:
    return Predictors(heuristic=_heuristic(), sets=InstalledSets(folders, load=_loaded))


def _loaded(folder: Path) -> PredictorSet:
    found = load_model_set(folder)
    return PredictorSet(
        version=set_version(folder),
        predictors={pair: RegressorPredictor(heuristic=_heuristic(), model=model) for pair, model in found.models.items()},
        problems=dict(_by_pair(found.problems)),
    )


def _by_pair(problems: Iterable[str]) -> Iterator[tuple[Pair, str]]:
    """Yield the pair of each problem, which it begins with, and the rest."""
    for problem in problems:
        name, _, reason = problem.partition(": ")
        engine, _, device = name.partition("/")
        if device in set(DeviceType):
            yield (engine, DeviceType(device)), reason
