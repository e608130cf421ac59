"""Many loads of one part from one batch."""

from dataclasses import replace

import pytest

from budsim.core.search.direct import direct_search
from budsim.core.search.evaluate import narrow
from budsim.core.search.part import SearchTask
from budsim.core.search.space import layouts_for
from budsim.core.search.sweep import for_users, swept
from budsim.core.slo import Slo
from tests.support.search_fakes import FakeMemory, FakePredictor, make_group, make_load, make_part

USERS = (1, 2, 7, 50, 55, 56, 300)


def task_of(part):
    task = narrow(part, (), FakeMemory(), now_s=0.0)
    assert isinstance(task, SearchTask)
    return task


@pytest.mark.parametrize("slo", [Slo(), Slo(e2e_s=3.3, ttft_s=0.5)], ids=["no SLO", "SLOs"])
def test_each_number_of_users_is_answered_as_if_it_had_been_asked_alone(slo):
    part = make_part(group=make_group(nodes=(3, 2)), slo=slo, load=make_load(concurrency=None, request_rate_per_s=3.0))
    found = swept(task_of(part), USERS, FakePredictor(), FakeMemory())
    for users, result in zip(USERS, found, strict=True):
        alone = for_users(part, users)
        asked = direct_search(SearchTask(part=alone, layouts=layouts_for(alone), blacklist=()), FakePredictor(), FakeMemory())
        assert replace(result, search=asked.search, evaluations=asked.evaluations) == asked


def test_all_of_them_are_one_prediction():
    predictor = FakePredictor()
    swept(task_of(make_part()), USERS, predictor, FakeMemory())
    assert predictor.calls == 1
