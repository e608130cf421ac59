"""What every MemoryModel promises: the planner takes any of them."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from budsim.adapters.memory_calculator import CalculatorMemory, config_of, is_installed, load_calculator
from budsim.cli.checks import State
from budsim.cli.doctor import _calculator
from budsim.core.engines.candidates import Candidates
from budsim.core.errors import Unavailable
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.catalogue import catalogue_model
from budsim.core.model.quantize import quantize
from budsim.core.model.spec import Precision
from tests.support.memory_calculator_fakes import FakeCalculator, fake_module
from tests.support.physics_shapes import candidate, device, llama_8b, scenario


def installed():
    if not is_installed():
        pytest.skip("llm-memory-calculator is not installed")
    return CalculatorMemory(load_calculator())


@pytest.fixture(params=["analytic", "calculator, fake", "calculator, installed"])
def memory(request):
    match request.param:
        case "analytic":
            return AnalyticMemory()
        case "calculator, fake":
            return CalculatorMemory(FakeCalculator())
        case _:
            return installed()


def plan(memory, *rows, **where):
    return memory.plan(scenario(**where), Candidates.from_rows(rows))


def test_each_candidate_has_its_row_in_order(memory):
    rows = [candidate(concurrency=count) for count in (1, 7, 64)]
    together = plan(memory, *rows)
    assert together.total_bytes.shape == (3,)
    for index, row in enumerate(rows):
        assert plan(memory, row).total_bytes[0] == together.total_bytes[index]


def test_the_total_is_the_sum_of_its_parts(memory):
    found = plan(memory, candidate(concurrency=8), candidate(tensor_parallel=2, concurrency=8))
    parts = found.weights_bytes + found.kv_needed_bytes + found.activation_bytes + found.overhead_bytes
    assert found.total_bytes == pytest.approx(parts)


def test_what_fits_is_within_what_is_usable(memory):
    found = plan(memory, *(candidate(concurrency=2**power, max_num_seqs=1024) for power in range(11)))
    assert list(found.fits) == list(found.total_bytes < found.usable_bytes)
    assert found.fits.any()
    assert not found.fits.all()


def test_whoever_fits_still_fits_with_one_user_less(memory):
    found = plan(memory, *(candidate(concurrency=count, max_num_seqs=512) for count in range(1, 400, 7)), on=device(memory_bytes=40e9))
    assert list(found.fits) == sorted(found.fits, reverse=True)


def test_the_concurrency_named_is_the_largest_that_fits(memory):
    small = device(memory_bytes=40e9)
    most = int(plan(memory, candidate(max_num_seqs=2048), on=small).max_concurrency[0])
    rows = [candidate(concurrency=most + extra, max_num_seqs=2048) for extra in (-1, 1)]
    assert list(plan(memory, *rows, on=small).fits) == [True, False]


def test_more_devices_never_need_more_of_each(memory):
    found = plan(memory, *(candidate(tensor_parallel=degree, concurrency=64) for degree in (1, 2, 4, 8)))
    assert list(np.argsort(-found.weights_bytes)) == [0, 1, 2, 3]
    assert (np.diff(found.kv_needed_bytes) <= 0).all()


def test_eight_bits_halve_the_cache(memory):
    found = plan(memory, candidate(concurrency=8), candidate(concurrency=8, kv_precision=Precision.FP8))
    assert found.kv_needed_bytes[1] == pytest.approx(found.kv_needed_bytes[0] / 2)


def test_narrower_weights_are_smaller(memory):
    wide, narrow = (plan(memory, candidate(), model=model).weights_bytes[0] for model in (llama_8b(), quantize(llama_8b(), "fp8")))
    assert 0.45 * wide < narrow < 0.7 * wide


def test_the_weights_of_llama_8b_are_sixteen_gigabytes(memory):
    assert plan(memory, candidate()).weights_bytes[0] == pytest.approx(16.06e9, rel=0.02)


def test_a_latent_is_not_split(memory):
    model = catalogue_model("deepseek-ai/DeepSeek-V3")
    found = plan(memory, candidate(concurrency=8), candidate(tensor_parallel=8, concurrency=8), model=model)
    assert found.kv_needed_bytes[0] == found.kv_needed_bytes[1]


def test_the_adapter_asks_for_whole_blocks_and_both_widths():
    calculator = FakeCalculator()
    plan(CalculatorMemory(calculator), candidate(kv_precision=Precision.FP8), input_tokens=1000, output_tokens=100)
    # int(1.1·1,100) = 1,210 tokens → 76 blocks of 16
    assert calculator.asked == [{"seq_length": 1216, "precision": "bf16"}, {"seq_length": 1216, "precision": "fp8"}]


def test_the_adapter_hands_over_the_parameters_it_counted():
    assert config_of(llama_8b())["num_parameters"] == 8_030_261_248


def test_the_package_is_found_where_it_is_and_its_absence_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "llm_memory_calculator", None)
    assert not is_installed()
    assert _calculator().state is State.ABSENT
    with pytest.raises(Unavailable, match="cannot be used"):
        load_calculator()
    monkeypatch.setitem(sys.modules, "llm_memory_calculator", fake_module())
    assert is_installed()
    assert _calculator().state is State.OK
    assert isinstance(load_calculator(), FakeCalculator)


def test_a_package_of_another_interface_is_refused(monkeypatch):
    module = fake_module()
    del module.ModelMemoryCalculator
    monkeypatch.setitem(sys.modules, "llm_memory_calculator", module)
    with pytest.raises(Unavailable):
        load_calculator()
    assert _calculator().state is State.WRONG


def test_quantised_dtype_does_not_change_what_a_token_takes():
    model = replace(quantize(llama_8b(), "fp8"), precision=Precision.BF16)
    found = plan(CalculatorMemory(FakeCalculator()), candidate(), model=model)
    assert found.kv_needed_bytes[0] == 159_383_552
