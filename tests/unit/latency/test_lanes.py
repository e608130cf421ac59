"""The numbers a model's layers are multiplied in, where experts are stored otherwise than the rest."""

from dataclasses import replace
from typing import Final

import pytest

from budsim.core.latency.columns import Lane
from budsim.core.latency.roofline import dense_lane_of, lane_of
from budsim.core.model.quantize import METHODS
from budsim.core.model.spec import Quantization
from tests.support.physics_shapes import device, mixtral

EIGHT_BITS: Final = replace(device(), fp8_flop_per_s=2e15, fp4_flop_per_s=None)


@pytest.mark.parametrize(
    ("stored", "experts", "rest"),
    [
        (METHODS["fp8"], Lane.EIGHT, Lane.EIGHT),
        (replace(METHODS["mxfp4"], experts_only=True), Lane.WIDE, Lane.WIDE),
        (replace(METHODS["mxfp4"], dense=METHODS["fp8"]), Lane.WIDE, Lane.EIGHT),  # DeepSeek-V4
        (replace(METHODS["fp8"], experts_only=True), Lane.EIGHT, Lane.WIDE),
        (METHODS["nvfp4"], Lane.WIDE, Lane.WIDE),  # the device has no path for it
    ],
)
def test_experts_and_the_rest_are_multiplied_in_their_own_numbers(stored: Quantization, experts: Lane, rest: Lane) -> None:
    model = replace(mixtral(), quantization=stored)
    assert (lane_of(EIGHT_BITS, model), dense_lane_of(EIGHT_BITS, model)) == (experts, rest)
