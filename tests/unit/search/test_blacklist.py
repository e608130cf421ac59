"""What feedback bars."""

from dataclasses import replace

import numpy as np
import pytest

from budsim.core.engines.candidates import Candidates
from budsim.core.engines.knobs import default_candidate
from budsim.core.engines.spec import EngineKind
from budsim.core.search.blacklist import barred, barred_configuration, bars, concerning, is_out_of_memory, without_barred
from budsim.core.search.direct import direct_search
from budsim.core.search.part import PartStatus, SearchTask
from budsim.core.search.space import layouts_for, scenario_of
from tests.support.search_fakes import GB, FakeMemory, FakePredictor, as_out_of_memory, make_entry, make_part

PART = make_part()
LAYOUTS = Candidates.from_rows(
    [default_candidate(scenario_of(PART), tensor_parallel=split, pipeline_parallel=1, concurrency=32) for split in (1, 2, 4)]
)
TOTALS = np.array([49 * GB, 25 * GB, 13 * GB])


@pytest.mark.parametrize(
    "reason",
    [
        "OOM",
        "pod was OOMKilled",
        "oom-killed",
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "torch.OutOfMemoryError: CUDA out of memory",
        "torch.cuda.OutOfMemoryError",
        "HIP out of memory",
        "RuntimeError: CUDA error: out of memory",
        "CUDA_ERROR_OUT_OF_MEMORY",
        "hipErrorOutOfMemory",
        "out of GPU memory",
        "Insufficient memory on device 0",
        "insufficient GPU memory",
        "ValueError: No available memory for the cache blocks.",
        "Not enough memory. Please try to increase --mem-fraction-static.",
        "ran out of memory",
        "Cannot allocate memory",
        "failed to allocate 3.2 GB for the KV cache",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "MemoryError",
        "container exited with exit code 137",
        "memory limit exceeded",
    ],
)
def test_a_reason_that_says_memory_was_short_is_recognised(reason):
    assert is_out_of_memory(reason)


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "timeout while loading",
        "bloom-560m crashed",
        "the room was dark",
        "TTFT too high",
        "memory bandwidth below expectation",
        "NCCL error: unhandled system error",
        "not an OOM: the tokenizer is missing",
        "exit code 1",
        "image pull failed",
        "the model remembers nothing, in-memory cache off",
    ],
)
def test_other_reasons_are_not_taken_for_short_memory(reason):
    assert not is_out_of_memory(reason)


def test_an_entry_bars_its_layout_and_no_other():
    entry = make_entry(PART, tensor_parallel=2)
    assert bars(entry, LAYOUTS, total_bytes=TOTALS).tolist() == [False, True, False]


def test_out_of_memory_also_bars_whatever_needs_as_much():
    # it failed at 25 GB a device: TP=1 needs 49 GB, TP=4 only 13 GB
    entry = as_out_of_memory(make_entry(PART, tensor_parallel=2, memory_bytes=25 * GB))
    assert bars(entry, LAYOUTS, total_bytes=TOTALS).tolist() == [True, True, False]


@pytest.mark.parametrize(
    "change",
    [{"engine": EngineKind.SGLANG}, {"model_id": "org/other"}, {"memory_class_gb": 40}, {"expires_at": 500.0}, {"expires_at": 499.0}],
)
def test_an_entry_of_another_engine_model_memory_class_or_time_concerns_nothing(change):
    entry = make_entry(PART)
    assert concerning(PART, [entry], now_s=500.0) == (entry,)
    assert concerning(PART, [replace(entry, **change)], now_s=500.0) == ()


def test_only_entries_that_barred_something_eligible_are_named():
    hit, idle = make_entry(PART, tensor_parallel=2), make_entry(PART, tensor_parallel=8)
    found = barred([hit, idle], LAYOUTS, total_bytes=TOTALS, eligible=np.array([True, True, True]))
    assert (found.mask.tolist(), found.config_ids) == ([False, True, False], (hit.config_id,))
    unfit = barred([hit], LAYOUTS, total_bytes=TOTALS, eligible=np.array([True, False, True]))
    assert (unfit.mask.any(), unfit.config_ids) == (False, ())


def found_result():
    return direct_search(SearchTask(part=PART, layouts=layouts_for(PART), blacklist=()), FakePredictor(), FakeMemory())


def test_a_late_entry_takes_its_layout_out_of_a_finished_result():
    result = found_result()
    best = result.configurations[0]
    entry = make_entry(PART, tensor_parallel=best.candidate.tensor_parallel, pipeline_parallel=best.candidate.pipeline_parallel)
    left = without_barred(PART, result, [entry], now_s=0.0)
    assert left.excluded == (entry.config_id,)
    assert left.configurations == tuple(item for item in result.configurations if not barred_configuration(entry, PART, item, now_s=0.0))
    assert 0 < len(left.configurations) < len(result.configurations)
    assert without_barred(PART, result, [entry], now_s=1000.0) == result  # expired


def test_late_entries_for_every_layout_leave_the_part_infeasible():
    entry = as_out_of_memory(make_entry(PART, memory_bytes=0.0))
    left = without_barred(PART, found_result(), [entry], now_s=0.0)
    assert (left.status, left.configurations, left.pareto) == (PartStatus.INFEASIBLE, (), ())
    assert "blacklisted by feedback" in left.reason
    assert entry.config_id in left.reason
