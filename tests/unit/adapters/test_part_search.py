"""The search that travels to the pool's processes: folders alone, models loaded where it computes."""

import pickle
from dataclasses import replace
from pathlib import Path

from budsim.adapters.model_sets import SetFolders
from budsim.adapters.part_search import PartSearch
from budsim.core.hardware.catalogue import catalogue
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.catalogue import catalogue_model
from budsim.core.predictors.protocol import Method
from budsim.core.search.evaluate import narrow
from budsim.core.search.part import SearchTask
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
