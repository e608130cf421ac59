"""The genetic search on the real memory model and predictor: bounds, sameness, and what it leaves untouched."""

import random
from dataclasses import replace

import pytest

from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.search.evaluate import narrow
from budsim.core.search.exhaustive import exhaustive_search
from budsim.core.search.genetic import SCOUTS, Watch, genetic_search
from budsim.core.search.part import PartStatus, SearchTask
from budsim.core.search.space import layouts_for
from tests.support.search_fakes import FakeMemory, FakePredictor, as_out_of_memory, make_entry, make_part
from tests.unit.search.test_on_the_real_models import part_on

MEMORY = AnalyticMemory()


class CountingPredictor(HeuristicPredictor):
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(memory=MEMORY)
        self.batches = []

    def predict(self, scenario, candidates):
        self.batches.append([candidates.row(index) for index in range(len(candidates))])
        return super().predict(scenario, candidates)


def task_of(part, **settings):
    task = narrow(replace(part, settings=replace(part.settings, **settings)), (), MEMORY, now_s=0.0)
    assert isinstance(task, SearchTask)
    return task


@pytest.fixture
def large():
    return part_on("c", "A100-SXM-80GB", (8,) * 4)


def test_the_best_of_a_space_is_found_without_looking_at_all_of_it(large):
    task, predictor = task_of(large), HeuristicPredictor(memory=MEMORY)
    found, every = genetic_search(task, predictor, MEMORY), exhaustive_search(task, predictor, MEMORY)
    assert found.search == "genetic"
    assert found.configurations[0] == every.configurations[0]
    assert found.evaluations < every.evaluations / 2


def test_no_candidate_is_predicted_twice_and_a_generation_is_one_batch(large):
    predictor = CountingPredictor()
    result = genetic_search(task_of(large), predictor, MEMORY)
    asked = [row for batch in predictor.batches for row in batch]
    assert len(asked) == len(set(asked)) == result.evaluations
    assert len(predictor.batches) <= result.generations + 1


def test_a_search_that_has_settled_has_looked_at_every_knob_of_its_pick_at_the_next_loads_too(large):
    predictor, whole = CountingPredictor(), CountingPredictor()
    pick = genetic_search(task_of(large, convergence=1), predictor, MEMORY).configurations[0].candidate
    exhaustive_search(task_of(large), whole, MEMORY)
    degrees = (pick.tensor_parallel, pick.pipeline_parallel)
    layout = {row for batch in whole.batches for row in batch if (row.tensor_parallel, row.pipeline_parallel) == degrees}
    loads = sorted({row.concurrency for row in layout})
    at = loads.index(pick.concurrency)
    beside = {row for row in layout if row.concurrency in loads[max(0, at - 1) : at + 2]}
    assert len(beside) > 5
    assert beside <= {row for batch in predictor.batches for row in batch}


def test_the_bounds_of_a_request_are_kept(large):
    predictor = CountingPredictor()
    result = genetic_search(task_of(large, population=8, generations=3, convergence=200), predictor, MEMORY)
    assert (result.generations, result.converged) == (3, False)
    scouts, *generations = [len(batch) for batch in predictor.batches]
    assert scouts <= 8 * SCOUTS
    assert len(generations) == 3
    assert max(generations) <= 8


def test_a_search_ends_after_so_many_generations_without_anything_better(large):
    seen = []
    result = genetic_search(
        task_of(large, generations=200, convergence=4), HeuristicPredictor(memory=MEMORY), MEMORY, watch=Watch(report=seen.append)
    )
    assert result.converged
    assert len(seen) == result.generations
    assert [one.best for one in seen[-4:]] == [seen[-1].best] * 4
    assert [one.evaluations for one in seen] == sorted(one.evaluations for one in seen)


def test_the_same_seed_finds_the_same_and_the_global_generator_is_left_as_it_was(large):
    task, predictor = task_of(large), HeuristicPredictor(memory=MEMORY)
    random.seed(7)
    before = random.getstate()
    first = genetic_search(task, predictor, MEMORY)
    assert random.getstate() == before
    random.seed(8)
    assert genetic_search(task, predictor, MEMORY) == first
    other = genetic_search(replace(task, part=replace(task.part, seed=2)), CountingPredictor(), MEMORY)
    assert other.evaluations != first.evaluations


def test_the_generator_is_put_back_after_a_failure(large):
    class Broken(FakePredictor):
        def predict(self, scenario, candidates):
            raise RuntimeError("no model")

    random.seed(7)
    before = random.getstate()
    with pytest.raises(RuntimeError):
        genetic_search(task_of(large), Broken(), MEMORY)
    assert random.getstate() == before


def test_a_search_that_is_late_stops_with_what_it_has_and_says_so(large):
    generations = []
    watch = Watch(report=generations.append, is_late=lambda: len(generations) == 2)
    result = genetic_search(task_of(large), HeuristicPredictor(memory=MEMORY), MEMORY, watch=watch)
    assert (result.status, result.converged, result.generations) == (PartStatus.FOUND, False, 1)


def test_what_ran_out_of_memory_and_all_that_needs_as_much_is_left_out(large):
    task = task_of(large)
    predictor = HeuristicPredictor(memory=MEMORY)
    best = genetic_search(task, predictor, MEMORY).configurations[0]
    entry = as_out_of_memory(make_entry(large, tensor_parallel=8, pipeline_parallel=4, memory_bytes=best.memory.total_bytes))
    after = genetic_search(replace(task, blacklist=(entry,)), predictor, MEMORY)
    assert after.excluded == (entry.config_id,)
    assert all(item.memory.total_bytes < best.memory.total_bytes for item in after.configurations + after.pareto)


def test_a_space_smaller_than_a_population_is_searched_whole():
    part = make_part()
    task = SearchTask(part=part, layouts=layouts_for(part)[:1], blacklist=())
    found = genetic_search(task, FakePredictor(), FakeMemory())
    assert found.configurations == exhaustive_search(task, FakePredictor(), FakeMemory()).configurations
    assert found.converged
