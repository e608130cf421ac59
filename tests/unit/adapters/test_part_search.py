"""The search that travels to the pool's processes: folders alone, models loaded where it computes."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, repeat
from pathlib import Path

import pytest

from budsim.adapters.model_sets import SetFolders
from budsim.adapters.part_search import MOST_S, PartSearch
from budsim.core.hardware.catalogue import catalogue
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.catalogue import catalogue_model
from budsim.core.predictors.protocol import Method
from budsim.core.search.evaluate import narrow
from budsim.core.search.part import Algorithm, PartResult, PartStatus, SearchTask
from tests.support.search_fakes import make_group, make_part

DEVICE = "A100-SXM-80GB"


def task(method: Method) -> SearchTask:
    model, device = catalogue_model("meta-llama/Llama-3.1-8B"), catalogue()[DEVICE]
    assert model is not None
    group = replace(make_group(nodes=(8,)), accelerator=device, device_name=DEVICE, memory_bytes=device.memory_bytes)
    found = narrow(replace(make_part(group=group), model=model, requested_method=method), (), AnalyticMemory(), now_s=0.0)
    assert isinstance(found, SearchTask)
    return found


def test_the_search_and_its_task_can_be_sent_to_a_process_and_give_the_same_there(tmp_path: Path) -> None:
    search = PartSearch(folders=SetFolders(primary=tmp_path))
    sent, warmed, asked = pickle.loads(pickle.dumps((search, search.warm, task(Method.HEURISTIC))))
    warmed()
    assert sent(asked) == search(asked)
    assert sent(asked).method is Method.HEURISTIC


def test_without_a_model_set_a_request_for_the_regressor_is_answered_by_the_heuristic(tmp_path: Path) -> None:
    result = PartSearch(folders=SetFolders(primary=tmp_path))(task(Method.REGRESSOR))
    assert (result.method, result.method_note) == (Method.HEURISTIC, "no regressor is there for vllm on cuda: answered by heuristic")


def bred(folder: Path, readings_s: Iterator[float]) -> PartResult:
    """Return what a population finds while the clock reads these."""
    asked = task(Method.HEURISTIC)
    settings = replace(asked.part.settings, algorithm=Algorithm.GENETIC)
    search = PartSearch(folders=SetFolders(primary=folder), clock=lambda: next(readings_s))
    return search(replace(asked, part=replace(asked.part, settings=settings)))


@pytest.mark.parametrize("began_s", [0.0, 1e6], ids=["from zero", "long after"])
def test_a_search_ends_at_the_first_generation_after_five_seconds(tmp_path: Path, began_s: float) -> None:
    # read once as it begins, then before every generation: 2 s, 4 s and, too late, 6 s after
    result = bred(tmp_path, count(began_s, 2.0))
    assert MOST_S == 5.0
    assert (result.status, result.converged, result.generations) == (PartStatus.FOUND, False, 2)


def test_a_search_that_takes_no_longer_comes_to_its_own_end(tmp_path: Path) -> None:
    result = bred(tmp_path, iter((100.0, *repeat(100.0 + MOST_S, 100))))
    assert result.converged
    assert result.generations > 2
