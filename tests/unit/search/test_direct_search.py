"""Direct search, narrowing and the choice of the predictor, on fakes worked by hand."""

import pickle
from dataclasses import replace
from uuid import UUID

import pytest

from budsim.core.predictors.protocol import Bound
from budsim.core.search.configuration import config_id, gpu_memory_utilization
from budsim.core.search.direct import direct_search
from budsim.core.search.evaluate import narrow
from budsim.core.search.part import PartResult, PartStatus, SearchTask
from budsim.core.search.space import layouts_for
from budsim.core.slo import Slo
from tests.support.search_fakes import GB, FakeMemory, FakePredictor, as_out_of_memory, make_entry, make_group, make_load, make_part


def task_of(part, *entries):
    return SearchTask(part=part, layouts=layouts_for(part), blacklist=entries)


def test_the_figures_of_the_best_are_those_of_the_models():
    # 2 devices of 80 GB: TP=1 fits 72 − 16 − 1 = 55 users, so all 32. Of all that carry 32 users: TP=1, 32 users has
    # TPOT 0.02 + 0.016 = 0.036, TTFT 0.42, E2E 4.02, 101/4.02 = 25.12 tokens/s; × 32 = 804 tokens/s at $2 → $0.691 per million
    part = make_part(group=make_group(nodes=(2,)))
    best = direct_search(task_of(part), FakePredictor(), FakeMemory()).configurations[0]
    assert (best.candidate.tensor_parallel, best.candidate.concurrency, best.replicas) == (1, 32, 1)
    assert (best.ttft_s, best.tpot_s, best.e2e_s) == pytest.approx((0.42, 0.036, 4.02))
    assert best.throughput_per_user == pytest.approx(101 / 4.02)
    assert best.cost_per_million_tokens == pytest.approx(2 / (32 * 101 / 4.02 * 3600) * 1e6)
    assert best.e2e_range_s.high == pytest.approx(4.02 * 1.25)
    assert best.bound is Bound.BANDWIDTH
    assert best.memory.total_bytes == pytest.approx(49 * GB)
    assert best.memory.gpu_memory_utilization == pytest.approx(0.9)


def test_an_slo_moves_the_choice_to_the_cheapest_that_meets_it():
    # E2E ≤ 3 s: TP=1 needs TTFT 0.1 + 0.01c + 100(0.02 + 0.0005c) = 2.1 + 0.06c ≤ 3, so c ≤ 15: of the grid 11 (32 over 3)
    # at TP=1, 3 replicas; TP=2 allows 0.1 + 0.005c + 1 + 0.05c ≤ 3: c ≤ 34, so 32 users on 2 devices
    # per million: TP=1 ∝ 1·(2.1 + 0.66)/11 = 0.2509; TP=2 ∝ 2·(1.1 + 0.055·32)/32 = 0.17875
    part = make_part(slo=Slo(e2e_s=3.0))
    best = direct_search(task_of(part), FakePredictor(), FakeMemory()).configurations[0]
    assert (best.candidate.tensor_parallel, best.candidate.concurrency, best.replicas, best.meets_slo) == (2, 32, 1, True)


def test_one_search_is_one_call_to_memory_and_one_to_the_predictor():
    memory, predictor = FakeMemory(), FakePredictor()
    result = direct_search(task_of(make_part()), predictor, memory)
    assert (memory.calls, predictor.calls, result.search, result.predictor_version) == (1, 1, "direct", "fake-1")


def test_a_group_too_small_for_the_target_says_how_far_it_reaches():
    # one device of 40 GB: 36 − 17 = 19 users fit, of the grid 16; 100 are asked
    part = make_part(group=make_group(nodes=(1,), memory_gb=40), load=make_load(concurrency=100))
    result = direct_search(task_of(part), FakePredictor(), FakeMemory())
    best = result.configurations[0]
    assert (result.status, best.candidate.concurrency, best.replicas) == (PartStatus.FOUND, 16, 1)


def test_the_proposals_name_several_layouts_and_no_neighbours():
    found = direct_search(task_of(make_part(top_k=4)), FakePredictor(), FakeMemory()).configurations
    assert {item.candidate.tensor_parallel for item in found} == {1, 2, 4, 8}


def test_a_search_says_which_entries_left_something_out():
    part = make_part()
    hit, idle = make_entry(part, tensor_parallel=1), make_entry(part, tensor_parallel=16)
    result = direct_search(task_of(part, hit, idle), FakePredictor(), FakeMemory())
    assert result.excluded == (hit.config_id,)
    assert all(item.candidate.tensor_parallel > 1 for item in result.configurations + result.pareto)


def test_a_part_barred_whole_names_the_blacklist():
    part = make_part()
    entry = as_out_of_memory(make_entry(part, memory_bytes=1.0))
    for result in (direct_search(task_of(part, entry), FakePredictor(), FakeMemory()), narrow(part, [entry], FakeMemory(), now_s=0.0)):
        assert isinstance(result, PartResult)
        assert (result.status, result.excluded) == (PartStatus.INFEASIBLE, (entry.config_id,))
        assert "blacklisted by feedback (1 entries" in result.reason
        assert "failed=false" in result.remedy


def test_candidates_whose_queue_has_no_end_are_not_proposed():
    result = direct_search(task_of(make_part()), FakePredictor(saturated_above=8), FakeMemory())
    assert max(item.candidate.concurrency for item in result.configurations + result.pareto) <= 8
    none = direct_search(task_of(make_part()), FakePredictor(saturated_above=0), FakeMemory())
    assert (none.status, "keeps up with the load" in none.reason) == (PartStatus.INFEASIBLE, True)


def test_narrowing_drops_layouts_that_never_fit_and_entries_that_ended():
    # 16 GB of weights on 16 GB devices (14.4 usable): TP=1 needs 18, TP=2 8 + 0.5 + 1
    part = make_part(group=make_group(nodes=(2,), memory_gb=16))
    live, ended = make_entry(part, tensor_parallel=8), replace(make_entry(part, tensor_parallel=2), expires_at=10.0)
    task = narrow(part, [live, ended], FakeMemory(), now_s=10.0)
    assert isinstance(task, SearchTask)
    assert [layout.tensor_parallel for layout in task.layouts] == [2]
    assert task.blacklist == (live,)


def test_a_part_that_fits_nowhere_is_told_its_numbers_and_changes_that_fit():
    # 200 GB of weights on 2 × 24 GB (21.6 usable): TP=2 needs 100 + 0.5 + 1. On 8 devices 25 + … is too much, on 16 12.5 + 1/16 + 1 fits;
    # 2 devices of 96 GB offer 86.4, of 141 GB 126.9. This memory model counts no less for quantised weights or shorter requests.
    part = make_part(group=make_group(nodes=(2,), memory_gb=24))
    result = narrow(part, (), FakeMemory(weights_bytes=200 * GB), now_s=0.0)
    assert isinstance(result, PartResult)
    assert result.status is PartStatus.INFEASIBLE
    assert "needs 101.5 GB per device (weights 100.0 GB) at TP=2, PP=1 for 1 user(s) of 1211 tokens" in result.reason
    assert "ACC-24GB in c1 has 21.6 GB usable" in result.reason
    assert result.remedy == "offer 16 × ACC-24GB free on one node (fits at TP=16, PP=1), or use devices of 141 GB (fits at TP=2, PP=1)"


def test_when_no_change_helps_the_remedy_says_so():
    part = make_part(group=make_group(nodes=(1,), memory_gb=24))
    refused = narrow(part, (), FakeMemory(weights_bytes=1e15), now_s=0.0)
    assert isinstance(refused, PartResult)
    assert "choose a smaller model" in refused.remedy
    assert refused.changes == ()


def test_a_sequence_longer_than_the_context_is_refused_with_both_lengths():
    part = make_part(load=replace(make_load(), input_tokens=131_000))
    result = narrow(part, (), FakeMemory(), now_s=0.0)
    assert isinstance(result, PartResult)
    assert "131000 input + 101 output tokens are 131101" in result.reason
    assert "at most 131072" in result.remedy


def test_a_group_without_devices_is_refused():
    result = narrow(make_part(group=make_group(nodes=(0,))), (), FakeMemory(), now_s=0.0)
    assert isinstance(result, PartResult)
    assert "on 0 × ACC-80GB in c1" in result.reason


def test_a_configuration_is_the_same_one_wherever_it_is_found():
    part = make_part()
    first = direct_search(task_of(part), FakePredictor(), FakeMemory()).configurations[0]
    assert first.config_id == config_id(part.part_id, first.candidate)
    assert first.config_id == config_id(part.part_id.upper(), first.candidate)
    assert UUID(first.config_id).version == 5
    assert first.config_id != config_id(part.part_id, replace(first.candidate, block_size=32))


@pytest.mark.parametrize(
    ("total_gb", "usable_gb", "device_gb", "expected"),
    [
        (49, 72, 80, 0.9),
        (70, 79, 80, 0.95),  # never more than 95 %
        (1, 2, 80, 0.05),  # never less than 5 %
        (53.33333, 53.33334, 80, 53.33333 / 80),  # rounding down may not cut into the plan
    ],
)
def test_the_emitted_utilisation_covers_the_plan_within_bounds(total_gb, usable_gb, device_gb, expected):
    share = gpu_memory_utilization(total_bytes=total_gb * GB, usable_bytes=usable_gb * GB, device_bytes=device_gb * GB)
    assert share == pytest.approx(expected, abs=1e-9)


def test_tasks_and_results_survive_the_way_to_another_process():
    task = task_of(make_part())
    result = direct_search(pickle.loads(pickle.dumps(task)), FakePredictor(), FakeMemory())
    assert pickle.loads(pickle.dumps(result)) == direct_search(task, FakePredictor(), FakeMemory())
