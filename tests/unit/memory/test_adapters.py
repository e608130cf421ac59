"""LoRA adapters, worked by hand."""

from dataclasses import replace

import pytest

from budsim.core.hardware.spec import DeviceType
from budsim.core.memory.adapters import max_loras
from budsim.core.model.adapters import adapter_bytes
from tests.support.physics_shapes import candidate, device, llama_8b, mixtral, scenario


def serving(**changes):
    where = scenario(**changes)
    return replace(where, engine=replace(where.engine, supports_lora=True))


# Llama-3.1-8B, for each column of rank and each layer: q, k, v 3·4,096 + 6,144; o 2·4,096; gate and up 2·(4,096 + 14,336);
# down 14,336 + 4,096; together 81,920. 32 layers, and embedding and LM head 2·(128,256 + 4,096): 2,886,144 values
ONE_BYTES = 2_886_144 * 256 * 2


def test_an_adapter_has_two_matrices_for_every_linear_layer():
    assert adapter_bytes(llama_8b(), rank=256, tensor_parallel=1) == ONE_BYTES


def test_splitting_halves_only_what_is_split():
    # o's input, the outputs of q, k, v, gate, up and down's input halve: 4,096 + 6,144 + 3·14,336 = 53,248 become 26,624
    assert adapter_bytes(llama_8b(), rank=256, tensor_parallel=2) == (2_886_144 - 32 * 26_624) * 512


def test_kv_heads_too_few_to_split_are_held_whole():
    eight, sixteen = (adapter_bytes(llama_8b(), rank=1, tensor_parallel=split) for split in (8, 16))
    # beyond 8 devices one KV head stays: 128 + 128 of each layer do not halve
    halved = (4096 + 4096 + 3 * 14_336) / 16
    assert eight - sixteen == pytest.approx(32 * halved * 2)


def test_routed_experts_have_no_adapter():
    assert adapter_bytes(mixtral(), rank=256, tensor_parallel=1) < 0.5 * ONE_BYTES


@pytest.mark.parametrize(("adapters", "expected"), [(0.99, 0), (1.0, 1), (3.5, 3), (40.0, 5), (-1.0, 0)])
def test_the_most_that_fit_are_reported_up_to_five(adapters, expected):
    assert max_loras(serving(), candidate(), free_bytes=adapters * ONE_BYTES) == expected


def test_a_stage_holds_its_share_of_an_adapter():
    assert max_loras(serving(), candidate(pipeline_parallel=2), free_bytes=ONE_BYTES) == 2


def test_an_engine_without_adapters_reports_none():
    assert max_loras(scenario(on=device(device_type=DeviceType.CPU)), candidate(), free_bytes=40 * ONE_BYTES) == 0
