"""Where the bytes go, worked by hand for Llama-3.1-8B and Mixtral-8x7B."""

from dataclasses import replace

import pytest

from budsim.core.engines.candidates import Candidates
from budsim.core.hardware.spec import DeviceType
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.quantize import quantize
from budsim.core.model.spec import ModelKind, Precision
from tests.support.physics_shapes import candidate, device, llama_8b, mixtral, scenario

ROTARY = 131_072 * 128 * 2  # bytes of the table of cosines and sines


def plan(where, *rows):
    return AnalyticMemory().plan(where, Candidates.from_rows(rows))


def test_weights_are_split_over_tensor_parallel():
    # 8,030,261,248 parameters × 2 B = 16,060,522,496 B; a half on each of two, the final norm of 8,192 B is on both, and so is a table
    # of cosines and sines: 131,072 positions × 128 × 2 B = 33,554,432 B
    found = plan(scenario(), candidate(), candidate(tensor_parallel=2)).weights_bytes
    assert found[0] == pytest.approx(16_060_522_496 + ROTARY, abs=1)
    assert found[1] == pytest.approx(8_030_261_248 + ROTARY, abs=10_000)


def test_the_fullest_stage_has_its_layers_and_one_end():
    # 16 layers of 218,103,808 + 2·4096 norms = 218,112,000 × 2 B = 6,979,584,000 B, and an embedding of 1,050,673,152 B
    found = plan(scenario(), candidate(pipeline_parallel=2)).weights_bytes
    assert found[0] == pytest.approx(6_979_584_000 + 1_050_673_152 + ROTARY, abs=10_000)


def test_experts_are_split_over_data_parallel_ranks_too():
    # experts 32·8·176,160,768 × 2 B = 90.194 GB; over 4 ranks 22.549 GB; the rest, 3.211 GB, is on every rank
    found = plan(scenario(model=mixtral()), candidate(), candidate(data_parallel=4, expert_parallel=4)).weights_bytes
    assert found[0] == pytest.approx(93.405e9 + ROTARY, rel=1e-4)
    assert found[1] == pytest.approx(25.760e9 + ROTARY, rel=1e-4)


def test_the_cache_is_planned_in_whole_blocks_for_every_user():
    # int(1.1·1,100) = 1,210 tokens → 76 blocks of 16 = 1,216 tokens × 131,072 B = 159,383,552 B a sequence
    found = plan(scenario(), candidate(concurrency=10))
    assert found.kv_needed_bytes[0] == 10 * 159_383_552
    assert found.kv_bytes_per_token[0] == 131_072


def test_fp8_halves_the_cache_and_doubles_what_runs_at_once():
    wide, narrow = (plan(scenario(), candidate(kv_precision=kv)) for kv in (Precision.BF16, Precision.FP8))
    assert narrow.kv_bytes_per_token[0] == wide.kv_bytes_per_token[0] / 2
    assert narrow.max_concurrency[0] in (2 * wide.max_concurrency[0], 2 * wide.max_concurrency[0] + 1)


def test_sequences_that_run_at_once_fill_what_is_left():
    # usable: the lesser of 0.95·(80 − 2) = 74.1 and 0.9·80 = 72 GB; fixed: 16.0941 GB weights, sampling 256·128,256·39 B = 1.2805 GB,
    # 0.13 GiB outside torch = 0.1396 GB; 54.4858 GB / 159,383,552 B = 341.9
    found = plan(scenario(), candidate())
    assert found.usable_bytes[0] == pytest.approx(72e9)
    assert found.activation_bytes[0] == 256 * 128_256 * 39
    assert found.max_concurrency[0] == 341


def test_activations_grow_with_the_step_once_the_forward_pass_is_larger():
    # 32,768 tokens × 2 B × (4·4096 hidden + 3·14,336 gate, up and product) = 3.8923 GB, above the 1.2805 GB of sampling
    found = plan(scenario(), candidate(max_num_batched_tokens=32_768))
    assert found.activation_bytes[0] == 32_768 * 2 * (4 * 4096 + 3 * 14_336)


@pytest.mark.parametrize(("users", "fits"), [(115, True), (116, False)])
def test_the_largest_load_that_fits_is_the_one_that_is_named(users, fits):
    # of 40 GB, the lesser of 0.95·38 = 36.1 and 36 GB is usable; less the 17.5142 GB above: 18.4858 GB / 159,383,552 B = 115.98
    found = plan(scenario(on=device(memory_bytes=40e9)), candidate(concurrency=users))
    assert found.max_concurrency[0] == 115
    assert bool(found.fits[0]) is fits


def test_a_small_plan_needs_a_smaller_buffer():
    # layers 6,979,321,856 × (4 + (16 + 4)/128)/8 B = 3.6260 GB and their norms 0.0005, embedding and LM head 2.1013 GB, sampling 1.2805,
    # outside torch 0.1396, rotary table 0.0336 and one sequence 0.1594 GB: 7.3409 GB, under 10 GB, so 1 GB is kept free:
    # 0.95·(12 − 1) = 10.45 GB
    found = plan(scenario(model=quantize(llama_8b(), "awq"), on=device(memory_bytes=12e9)), candidate())
    assert found.total_bytes[0] == pytest.approx(7.3409e9, rel=1e-4)
    assert found.usable_bytes[0] == pytest.approx(0.95 * 11e9)


def test_a_cpu_plans_with_its_ram_and_no_gpu_overhead():
    found = plan(scenario(on=device(device_type=DeviceType.CPU, memory_bytes=256e9)), candidate())
    assert found.overhead_bytes[0] == 0.0
    assert found.usable_bytes[0] == pytest.approx(0.95 * 254e9)


def test_an_encoder_keeps_no_cache():
    found = plan(scenario(model=llama_8b(kind=ModelKind.ENCODER)), candidate(concurrency=100))
    assert found.kv_needed_bytes[0] == 0.0
    assert found.max_concurrency[0] == 256


def test_a_hosted_model_needs_nothing():
    hosted = replace(llama_8b(kind=ModelKind.PROPRIETARY), blocks=(), hidden_size=0, vocab_size=0)
    found = plan(scenario(model=hosted, on=device(device_type=DeviceType.CPU)), candidate(concurrency=100))
    assert bool(found.fits[0])
    assert found.weights_bytes[0] == 0.0
