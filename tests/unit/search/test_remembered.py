"""Predictions are asked for once, and what is remembered changes no answer."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budsim.adapters.trained_models import load_model_set
from budsim.core.hardware.spec import DeviceType
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.predictors.protocol import Interval, Method
from budsim.core.predictors.regressor import RegressorPredictor
from budsim.core.search.columns import take
from budsim.core.search.genome import space_of
from budsim.core.search.remembered import RememberedPredictor, remembered
from budsim.core.search.space import layouts_for, scenario_of
from tests.support.search_fakes import FakePredictor
from tests.unit.search.test_on_the_real_models import part_on

PART = part_on("c", "A100-SXM-80GB", (8, 8))
SCENARIO = scenario_of(PART)
SPACE = space_of(PART, layouts_for(PART))
ROWS = SPACE.candidates(SPACE.every())
PHYSICS = HeuristicPredictor(memory=AnalyticMemory())


class Asked(FakePredictor):
    """Counts the rows it was asked for."""

    rows = 0

    def predict(self, scenario, candidates):
        self.rows += len(candidates)
        return super().predict(scenario, candidates)


def same(one, other):
    for field in fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, Interval):
            same(left, right)
        elif left is not None:
            assert np.array_equal(left, right), field.name


def test_a_candidate_is_predicted_once_in_a_scenario_and_again_in_another():
    asked = Asked()
    memory = RememberedPredictor(asked)
    memory.predict(SCENARIO, ROWS.take(np.arange(10)))
    memory.predict(SCENARIO, ROWS.take(np.arange(5, 20)))
    memory.predict(replace(SCENARIO, memory_bytes=1e9), ROWS.take(np.arange(10)))
    assert (asked.rows, memory.size) == (10 + 10 + 10, 30)


def test_a_batch_that_names_a_candidate_twice_asks_once():
    asked = Asked()
    found = RememberedPredictor(asked).predict(SCENARIO, ROWS.take(np.array([3, 4, 3])))
    assert asked.rows == 2
    assert found.ttft_s[0] == found.ttft_s[2]


def test_the_scenario_not_asked_for_longest_is_forgotten_first():
    asked = Asked()
    memory = RememberedPredictor(asked, most=25)
    others = [replace(SCENARIO, memory_bytes=size) for size in (1e9, 2e9)]
    few = ROWS.take(np.arange(10))
    for where in (SCENARIO, others[0], SCENARIO, others[1]):
        memory.predict(where, few)
    assert memory.size == 20
    memory.predict(SCENARIO, few)
    assert asked.rows == 30
    memory.predict(others[0], few)
    assert asked.rows == 40


def test_what_is_more_than_may_be_remembered_is_answered_all_the_same():
    memory = RememberedPredictor(PHYSICS, most=5)
    same(memory.predict(SCENARIO, ROWS.take(np.arange(8))), PHYSICS.predict(SCENARIO, ROWS.take(np.arange(8))))
    memory.predict(SCENARIO, ROWS.take(np.arange(4)))
    memory.predict(SCENARIO, ROWS.take(np.arange(4, 8)))
    assert memory.size <= 5


def test_physics_has_no_memory_and_a_trained_predictor_keeps_its_own():
    regressor = FakePredictor(method=Method.REGRESSOR)
    assert remembered(PHYSICS) is PHYSICS
    assert remembered(regressor) is remembered(regressor)
    assert remembered(regressor) is not remembered(FakePredictor(method=Method.REGRESSOR))
    assert (remembered(regressor).method, remembered(regressor).version) == (regressor.method, regressor.version)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, len(ROWS) - 1), min_size=1, max_size=30), min_size=1, max_size=5))
def test_whatever_was_asked_before_the_answer_is_the_same_to_the_last_bit(batches):
    memory = RememberedPredictor(PHYSICS)
    whole = PHYSICS.predict(SCENARIO, ROWS)
    for batch in batches:
        same(memory.predict(SCENARIO, ROWS.take(np.array(batch))), take(whole, np.array(batch)))


@pytest.fixture(scope="module")
def trained():
    """The shipped model of vLLM on CUDA."""
    models = load_model_set(Path(__file__).parents[3] / "pretrained_models").models
    return RegressorPredictor(heuristic=PHYSICS, model=models["vllm", DeviceType.CUDA])


@pytest.mark.parametrize("count", [2, 3, 7, 50])
def test_a_prediction_does_not_depend_on_its_batch(count, trained):
    some = np.random.default_rng(count).choice(len(ROWS), count, replace=False)
    for predictor in (PHYSICS, trained):
        same(predictor.predict(SCENARIO, ROWS.take(some)), take(predictor.predict(SCENARIO, ROWS), some))
