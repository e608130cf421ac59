"""The roofline of one operator, and the rates a model's operators reach on a device."""

from typing import Final

import numpy as np

from budsim.core.engines.candidates import FloatArray
from budsim.core.hardware.spec import Accelerator
from budsim.core.latency.efficiency import Efficiency
from budsim.core.model.spec import ModelSpec, Precision

# PHYSICS 15: weights narrower than the numbers they are multiplied in pay 10–30 % for being widened; the middle
WIDENING_SHARE: Final = 0.8


def operator_time_s(flop: FloatArray, moved_bytes: FloatArray, *, flop_per_s: float, bytes_per_s: float) -> FloatArray:
    """Return max(work / rate, traffic / bandwidth), shape (n,). [s]

    Args:
        flop: Work. [FLOP]
        moved_bytes: Memory traffic. [bytes]
        flop_per_s: Rate that is reached. [FLOP/s]
        bytes_per_s: Bandwidth that is reached. [bytes/s]

    Source:
        Williams, Waterman, Patterson: Roofline, CACM 2009.
    """
    return np.maximum(flop / flop_per_s, moved_bytes / bytes_per_s)


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


def dense_flop_per_s(device: Accelerator, model: ModelSpec, efficiency: Efficiency) -> float:
    """Return the rate of the linear layers every token meets, which a format of the experts alone leaves as they are. [FLOP/s]"""
    quantization = model.quantization
    if quantization is not None and quantization.experts_only:
        return device.fp16_flop_per_s * efficiency.compute
    return linear_flop_per_s(device, model, efficiency)


def linear_flop_per_s(device: Accelerator, model: ModelSpec, efficiency: Efficiency) -> float:
    """Return the rate the quantised linear layers reach. [FLOP/s]

    Source:
        Shares of `efficiency`; PHYSICS 15 for weights that are widened before they are multiplied.
    """
    precision = computing_precision(device, model)
    shares = {
        Precision.FP8: efficiency.compute_8bit,
        Precision.INT8: efficiency.compute_8bit,
        Precision.FP4: efficiency.compute_4bit,
    }
    widened = model.quantization is not None and precision not in shares
    return peak_flop_per_s(device, model) * shares.get(precision, efficiency.compute) * (WIDENING_SHARE if widened else 1.0)
