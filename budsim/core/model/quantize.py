"""A model as it would be once quantised."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from budsim.core.errors import InvalidInput
from budsim.core.model.spec import ModelSpec, Precision, Quantization

# Bits, weights per scale and activations of what engines load under these names. Sources: default groups of 128 in AWQ (Lin et al. 2023)
# and GPTQ (Frantar et al. 2022); NF4 in blocks of 64 (QLoRA, Dettmers et al. 2023); OCP Microscaling Formats 1.0, blocks of 32; NVFP4,
# blocks of 16 (NVIDIA). The width of a scale stands in weights.py.
METHODS: Final[Mapping[str, Quantization]] = {
    "fp8": Quantization(method="fp8", weight_bits=8, activation=Precision.FP8),
    "int8": Quantization(method="int8", weight_bits=8, activation=Precision.INT8),
    "w8a8": Quantization(method="int8", weight_bits=8, activation=Precision.INT8),
    "w8a16": Quantization(method="w8a16", weight_bits=8),
    "int4": Quantization(method="awq", weight_bits=4, group_size=128),
    "w4a16": Quantization(method="w4a16", weight_bits=4, group_size=128),
    "awq": Quantization(method="awq", weight_bits=4, group_size=128),
    "gptq": Quantization(method="gptq", weight_bits=4, group_size=128),
    "nf4": Quantization(method="bitsandbytes", weight_bits=4, group_size=64),
    "bitsandbytes": Quantization(method="bitsandbytes", weight_bits=4, group_size=64),
    "mxfp4": Quantization(method="mxfp4", weight_bits=4, group_size=32),
    "mxfp8": Quantization(method="mxfp8", weight_bits=8, group_size=32, activation=Precision.FP8),
    "w4a16_nvfp4": Quantization(method="w4a16_nvfp4", weight_bits=4, group_size=16),
    "nvfp4": Quantization(method="nvfp4", weight_bits=4, group_size=16, activation=Precision.FP4),
}
_UNQUANTISED = ("bf16", "bfloat16", "fp16", "float16", "none", "")


def quantize(model: ModelSpec, method: str) -> ModelSpec:
    """Return the model with its linear layers in another format; a checkpoint that is no wider already stays as it is.

    Raises:
        InvalidInput: The method has no known format.
    """
    name = method.strip().lower()
    if name in _UNQUANTISED:
        return replace(model, quantization=None)
    found = METHODS.get(name)
    if found is None:
        legal = ", ".join(sorted(METHODS))
        raise InvalidInput(f"quantization_type {method!r} is not known", param="quantization_type", remedy=f"use one of {legal}")
    stored = model.quantization
    if stored is not None and stored.weight_bits <= found.weight_bits:
        return model
    return replace(model, quantization=found)
