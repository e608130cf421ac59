"""The narrowed search: the trained model decides, and is asked of a part of the space alone."""

from dataclasses import replace

import numpy as np
import pytest

from budsim.core.engines.spec import EngineKind
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.predictors.protocol import Interval, Method
from budsim.core.search.evaluate import narrow
from budsim.core.search.exhaustive import exhaustive_search
from budsim.core.search.genome import space_of
from budsim.core.search.narrowed import FINALISTS, narrowed_search
from budsim.core.search.part import Algorithm, PartStatus, SearchTask, Way
from budsim.core.search.strategy import LARGEST_BATCH, LARGEST_NARROWED, WHOLE, way_for
from budsim.core.slo import Slo
from tests.support.search_fakes import FakePredictor, make_entry
from tests.unit.search.test_on_the_real_models import part_on

MEMORY = AnalyticMemory()
PHYSICS = HeuristicPredictor(memory=MEMORY)


class Corrected(HeuristicPredictor):
    """Physics, corrected by layout and load as trained models do, up to a factor of 3, and a little by the knobs."""

    method = Method.REGRESSOR

    def __init__(self) -> None:
        super().__init__(memory=MEMORY)
        self.asked = []

    def predict(self, scenario, candidates):
        self.asked += [candidates.row(index) for index in range(len(candidates))]
        found = super().predict(scenario, candidates)
        factor = np.exp(np.sin(3.0 * candidates.tensor_parallel + candidates.pipeline_parallel) * np.cos(candidates.concurrency / 7.0))
        factor = factor * (1.0 + 0.02 * np.sin(candidates.max_num_batched_tokens / 1000.0 + candidates.max_num_seqs))
        times = {name: getattr(found, name) * factor for name in ("ttft_s", "tpot_s", "e2e_s")}
        ranges = {name: scaled(getattr(found, name), factor) for name in ("ttft_interval_s", "e2e_interval_s")}
        rate = {
            "throughput_per_user": found.throughput_per_user / factor,
            "throughput_interval": scaled(found.throughput_interval, 1 / factor),
        }
        return replace(found, **times, **ranges, **rate)


def scaled(interval, factor):
    return Interval(low=interval.low * factor, high=interval.high * factor)


def task_of(part, **settings):
    task = narrow(replace(part, quantized=True, settings=replace(part.settings, **settings)), (), MEMORY, now_s=0.0)
    assert isinstance(task, SearchTask)
    return task


def narrowed(task, predictor):
    return narrowed_search(task, predictor, MEMORY, physics=PHYSICS)


SLOS = {
    "lax": Slo(ttft_s=5.0, throughput_per_user=5.0),
    "tight": Slo(ttft_s=0.2, e2e_s=8.0, throughput_per_user=60.0),
    "out of reach": Slo(ttft_s=0.001, throughput_per_user=5000.0),
    "with a margin": Slo(ttft_s=2.0, throughput_per_user=15.0, min_probability=0.9),
}


@pytest.mark.parametrize("slo", SLOS.values(), ids=SLOS)
@pytest.mark.parametrize("users", [3, 200, 1500])
def test_the_pick_is_that_of_the_whole_space_and_most_of_it_was_not_asked_for(slo, users):
    task, predictor = task_of(part_on("c", "H100-SXM-80GB", (8, 8), users=users, slo=slo)), Corrected()
    found, whole = narrowed(task, predictor), exhaustive_search(task, Corrected(), MEMORY)
    assert found.search == "narrowed"
    assert found.configurations[0] == whole.configurations[0]
    assert found.evaluations == len(predictor.asked) == len(set(predictor.asked))
    assert found.evaluations <= 0.15 * whole.evaluations + FINALISTS + 50
    assert {item.candidate for item in (*found.configurations, *found.pareto)} <= set(predictor.asked)


@pytest.mark.parametrize("engine", [EngineKind.LATENTBUD, EngineKind.LITELLM])
def test_where_one_of_each_kind_is_the_whole_space_nothing_more_is_asked(engine):
    model = {EngineKind.LATENTBUD: "BAAI/bge-m3"}.get(engine, "meta-llama/Llama-3.1-8B")
    task, predictor = task_of(part_on("c", "H100-SXM-80GB", (8,), engine=engine, model=model)), Corrected()
    found, whole = narrowed(task, predictor), exhaustive_search(task, Corrected(), MEMORY)
    assert found.configurations == whole.configurations
    assert found.evaluations == whole.evaluations == len(predictor.asked)


def test_figures_are_those_of_the_predictor_and_not_estimates():
    task = task_of(part_on("c", "H100-SXM-80GB", (8, 8)))
    found = narrowed(task, Corrected())
    whole = exhaustive_search(task, Corrected(), MEMORY)
    told = {item.config_id: item for item in (*whole.configurations, *whole.pareto)}
    shared = [item for item in found.configurations if item.config_id in told]
    assert shared
    assert all(item == told[item.config_id] for item in shared)


def test_what_feedback_barred_is_not_asked_for():
    part = part_on("c", "A100-SXM-80GB", (8,))
    task = task_of(part)
    best = narrowed(task, Corrected()).configurations[0].candidate
    entry = make_entry(part, tensor_parallel=best.tensor_parallel, pipeline_parallel=best.pipeline_parallel)
    predictor = Corrected()
    after = narrowed(replace(task, blacklist=(entry,)), predictor)
    assert after.excluded == (entry.config_id,)
    assert not [row for row in predictor.asked if row.tensor_parallel == best.tensor_parallel and row.pipeline_parallel == 1]


def test_a_kind_of_which_nothing_could_be_told_is_estimated_by_physics():
    class Silent(Corrected):
        """Tells nothing of the version's own step."""

        def predict(self, scenario, candidates):
            found = super().predict(scenario, candidates)
            return replace(found, ttft_s=np.where(candidates.max_num_batched_tokens == 8192, np.nan, found.ttft_s))

    task = task_of(part_on("c", "A100-SXM-80GB", (8,)))
    found = narrowed(task, Silent())
    assert found.status is PartStatus.FOUND
    assert {item.candidate.max_num_batched_tokens for item in found.configurations} != {8192}


def test_a_load_that_nothing_keeps_up_with_is_refused():
    result = narrowed_search(
        task_of(part_on("c", "A100-SXM-80GB", (8,))), FakePredictor(saturated_above=0), MEMORY, physics=FakePredictor(saturated_above=0)
    )
    assert result.status is PartStatus.INFEASIBLE
    assert "keeps up" in result.reason


@pytest.mark.parametrize(
    ("asked", "size", "method", "way"),
    [
        (Algorithm.AUTO, WHOLE, Method.REGRESSOR, Way.EXHAUSTIVE),
        (Algorithm.AUTO, WHOLE + 1, Method.REGRESSOR, Way.NARROWED),
        (Algorithm.AUTO, LARGEST_NARROWED, Method.REGRESSOR, Way.NARROWED),
        (Algorithm.AUTO, LARGEST_NARROWED + 1, Method.REGRESSOR, Way.GENETIC),
        (Algorithm.AUTO, LARGEST_NARROWED + 1, Method.HEURISTIC, Way.DIRECT),
        (Algorithm.EXHAUSTIVE, LARGEST_BATCH[Method.REGRESSOR], Method.REGRESSOR, Way.EXHAUSTIVE),
        (Algorithm.EXHAUSTIVE, LARGEST_BATCH[Method.REGRESSOR] + 1, Method.REGRESSOR, Way.NARROWED),
        (Algorithm.GENETIC, 1, Method.REGRESSOR, Way.GENETIC),
    ],
    ids=lambda value: str(getattr(value, "value", value)),
)
def test_the_way_follows_from_what_is_asked_and_from_the_size_of_the_space(monkeypatch, asked, size, method, way):
    task = task_of(part_on("c", "A100-SXM-80GB", (8,)), algorithm=asked)
    monkeypatch.setattr(type(space_of(task.part, task.layouts)), "upper_size", size)
    assert way_for(task, method) is way
