"""The roofline of one operator, and the peaks a model's operators have on a device."""

from dataclasses import replace
from typing import Final

from budsim.core.elementwise import Figure, maximum
from budsim.core.hardware.spec import Accelerator
from budsim.core.latency.columns import Lane
from budsim.core.model.spec import ModelSpec, Precision
from budsim.core.model.weights import dense_format

# PHYSICS 15: weights narrower than the numbers they are multiplied in pay 10–30 % for being widened; the middle
WIDENING_SHARE: Final = 0.8


def operator_time_s(flop: Figure, moved_bytes: Figure, *, flop_per_s: Figure, bytes_per_s: Figure) -> Figure:
    """Return max(work / rate, traffic / bandwidth). [s]

    Args:
        flop: Work. [FLOP]
        moved_bytes: Memory traffic. [bytes]
        flop_per_s: Rate that is reached. [FLOP/s]
        bytes_per_s: Bandwidth that is reached. [bytes/s]

    Source:
        Williams, Waterman, Patterson: Roofline, CACM 2009.
    """
    return maximum(flop / flop_per_s, moved_bytes / bytes_per_s)


def computing_precision(device: Accelerator, model: ModelSpec) -> Precision:
    """Return the numbers the linear layers are multiplied in: a narrow path only where activations and device have it."""
    quantization = model.quantization
    if quantization is None:
        return model.precision
    paths = {
        Precision.FP8: device.fp8_flop_per_s,
        Precision.INT8: device.int8_flop_per_s,
        Precision.FP4: device.fp4_flop_per_s,
    }
    return quantization.activation if paths.get(quantization.activation) else Precision.BF16


def peak_flop_per_s(device: Accelerator, model: ModelSpec) -> float:
    """Return the dense peak the model's linear layers can use. [FLOP/s]"""
    peaks = {
        Precision.FP8: device.fp8_flop_per_s,
        Precision.INT8: device.int8_flop_per_s,
        Precision.FP4: device.fp4_flop_per_s,
    }
    return peaks.get(computing_precision(device, model)) or device.fp16_flop_per_s


def dense_peak_flop_per_s(device: Accelerator, model: ModelSpec) -> float:
    """Return the peak of the linear layers every token meets, which may be stored otherwise than the experts. [FLOP/s]"""
    return linear_peak_flop_per_s(device, _beside_experts(model))


def linear_peak_flop_per_s(device: Accelerator, model: ModelSpec) -> float:
    """Return the peak of the quantised linear layers. [FLOP/s]

    Source:
        PHYSICS 15 for weights that are widened before they are multiplied.
    """
    widened = model.quantization is not None and lane_of(device, model) is Lane.WIDE
    return peak_flop_per_s(device, model) * (WIDENING_SHARE if widened else 1.0)


def lane_of(device: Accelerator, model: ModelSpec) -> Lane:
    """Return the width of the numbers the quantised linear layers are multiplied in."""
    match computing_precision(device, model):
        case Precision.FP8 | Precision.INT8:
            return Lane.EIGHT
        case Precision.FP4 | Precision.INT4:
            return Lane.FOUR
        case _:
            return Lane.WIDE


def dense_lane_of(device: Accelerator, model: ModelSpec) -> Lane:
    """Return the width of the numbers the layers every token meets are multiplied in."""
    return lane_of(device, _beside_experts(model))


def _beside_experts(model: ModelSpec) -> ModelSpec:
    return replace(model, quantization=dense_format(model))
