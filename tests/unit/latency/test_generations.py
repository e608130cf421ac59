"""What runs share constants by."""

from dataclasses import replace
from typing import Final

import pytest

from budsim.core.hardware.spec import Accelerator
from budsim.core.latency.generations import constant_keys, expert_kernels
from budsim.core.model.quantize import quantize
from tests.support.physics_shapes import device, llama_8b, mixtral

AMPERE: Final = device()
HOPPER: Final = replace(device(), fp8_flop_per_s=2e15)
BLACKWELL: Final = replace(device(), fp8_flop_per_s=4.5e15, fp4_flop_per_s=9e15)


@pytest.mark.parametrize(
    ("on", "stored", "kernels"),
    [
        pytest.param(HOPPER, "bf16", "wide", id="16 bits"),
        pytest.param(HOPPER, "fp8", "eight", id="fp8 where the device has it"),
        pytest.param(AMPERE, "fp8", "wide", id="fp8 where it has not"),
        pytest.param(BLACKWELL, "mxfp4", "four", id="mxfp4 where the device has it"),
        pytest.param(HOPPER, "mxfp4", "widened", id="mxfp4 where it has not"),
        pytest.param(BLACKWELL, "awq", "widened", id="integers of four bits"),
    ],
)
def test_experts_are_multiplied_by_the_kernels_of_their_format(on: Accelerator, stored: str, kernels: str) -> None:
    model = quantize(mixtral(), stored)
    assert expert_kernels(on, model) == kernels
    assert f"experts:{kernels}" in constant_keys(on, "vllm", "0.18.0", model)


def test_a_dense_model_has_no_expert_kernels() -> None:
    assert expert_kernels(HOPPER, llama_8b()) is None


def test_no_key_tells_generations_of_devices_apart() -> None:
    keys = {constant_keys(replace(device(), name=name), "vllm", "0.18.0", llama_8b()) for name in ("H100-SXM-80GB", "A100-SXM-80GB")}
    assert len(keys) == 1
