"""The roofline of one operator."""

import numpy as np

from budsim.core.engines.candidates import FloatArray
from budsim.core.hardware.spec import Accelerator
from budsim.core.model.spec import ModelSpec, Precision


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


def peak_flop_per_s(device: Accelerator, model: ModelSpec) -> float:
    """Return the dense peak the model's linear layers can use: a quantised path only where activations and device have it. [FLOP/s]"""
    activation = model.quantization.activation if model.quantization else model.precision
    rates = {
        Precision.FP8: device.fp8_flop_per_s,
        Precision.INT8: device.int8_flop_per_s,
        Precision.FP4: device.fp4_flop_per_s,
    }
    return rates.get(activation) or device.fp16_flop_per_s
