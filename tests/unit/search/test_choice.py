"""Which predictor answers a part, and what the other model set says of the same configurations."""

from dataclasses import replace

import pytest

from budsim.core.engines.spec import EngineKind
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.spec import ModelKind
from budsim.core.predictors.protocol import Method
from budsim.core.search.choice import Predictors, PredictorSet
from budsim.core.search.part import PartResult, SearchTask, SetChoice
from budsim.core.search.run import search
from budsim.core.search.space import layouts_for
from tests.support.search_fakes import FakeMemory, FakePredictor, FakeSets, make_group, make_load, make_model, make_part, predictor_set

BROKEN = PredictorSet(version="broken-1", problems={(EngineKind.VLLM, DeviceType.CUDA): "regressor_tpot.ubj is cut off"})
FIRST_CHOICE = SetChoice()
FIRST, SECOND = predictor_set("first-1"), predictor_set("second-2", slower=2.0)


def answered(sets=None, *, chosen=FIRST_CHOICE, method=Method.REGRESSOR, **changes) -> PartResult:
    part = replace(make_part(), requested_method=method, model_set=chosen, **changes)
    task = SearchTask(part=part, layouts=layouts_for(part), blacklist=())
    heuristic = FakePredictor()
    return search(task, Predictors(heuristic=heuristic, sets=sets) if sets else Predictors(heuristic=heuristic), FakeMemory())


def said(result: PartResult) -> tuple[str, str, str]:
    return result.method, result.predictor_version, result.method_note


def test_a_regressor_that_is_there_answers_and_names_its_model_set():
    assert said(answered(FakeSets(FIRST))) == ("regressor", "first-1", "")


def test_the_heuristic_answers_when_it_is_asked_for():
    assert said(answered(FakeSets(FIRST), method=Method.HEURISTIC)) == ("heuristic", "fake-1", "")


@pytest.mark.parametrize(
    ("sets", "changes", "reason"),
    [
        (None, {}, "no regressor is there for vllm on cuda"),
        (
            FakeSets(FIRST),
            {"group": make_group(device_type=DeviceType.ROCM)},
            "no regressor of model set first-1 is there for vllm on rocm",
        ),
        (FakeSets(BROKEN), {}, "no regressor of model set broken-1 is there for vllm on cuda (regressor_tpot.ubj is cut off)"),
        (FakeSets(FIRST), {"chosen": SetChoice(version="gone-9")}, "the model set gone-9 is not at hand where this was computed"),
        (FakeSets(FIRST), {"chosen": SetChoice(second=True)}, "the model set to be tried is not at hand where this was computed"),
        (
            FakeSets(FIRST),
            {"model": replace(make_model(), kind=ModelKind.EMBEDDING)},
            "no regressor is trained for models that are no decoders",
        ),
    ],
    ids=["no set", "no pair", "broken pair", "unknown version", "no second set", "no decoder"],
)
def test_what_the_regressor_cannot_answer_is_answered_by_the_heuristic_which_says_why(sets, changes, reason):
    assert said(answered(sets, **changes)) == ("heuristic", "fake-1", f"{reason}: answered by heuristic")


@pytest.mark.parametrize(
    ("chosen", "version"),
    [(SetChoice(), "first-1"), (SetChoice(second=True), "second-2"), (SetChoice(version="third-3"), "third-3")],
    ids=["first", "second", "named"],
)
def test_the_set_that_was_chosen_answers(chosen, version):
    assert answered(FakeSets(FIRST, SECOND, predictor_set("third-3")), chosen=chosen).predictor_version == version


@pytest.mark.parametrize(("second", "factor"), [(False, 2.0), (True, 0.5)], ids=["beside the first", "beside the second"])
def test_both_sets_predict_every_recommended_configuration_when_they_are_compared(second, factor):
    result = answered(FakeSets(FIRST, SECOND), chosen=SetChoice(second=second, compared=True))
    told = {found.config_id: found for found in (*result.configurations, *result.pareto)}
    beside = {found.config_id: found for found in result.beside}
    assert beside.keys() == told.keys()
    assert {found.model_set for found in result.beside} == {"first-1" if second else "second-2"}
    for config_id, found in told.items():  # the second set takes twice as long for the same deployment
        assert beside[config_id].ttft_s == pytest.approx(factor * found.ttft_s)
        assert beside[config_id].e2e_s == pytest.approx(factor * found.e2e_s)
        assert beside[config_id].throughput_per_user == pytest.approx(found.throughput_per_user / factor)
        assert beside[config_id].e2e_range_s.high == pytest.approx(factor * found.e2e_range_s.high)


def test_nothing_is_recorded_beside_an_answer_unless_the_sets_are_compared():
    assert answered(FakeSets(FIRST, SECOND)).beside == ()
    assert answered(FakeSets(FIRST), chosen=SetChoice(compared=True)).beside == ()


def test_a_part_in_which_nothing_is_found_has_nothing_beside():
    result = answered(FakeSets(FIRST, SECOND), chosen=SetChoice(compared=True), group=make_group(memory_gb=1), workload=make_load())
    assert (result.configurations, result.beside) == ((), ())
