"""A model as it would be once quantised."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
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
ONLINE: Final = frozenset({"fp8", "bitsandbytes"})  # vLLM and SGLang make these of an unquantised checkpoint as they load it
ANY: Final = "any"
AS_STORED: Final = "stored"
# What needs no checkpoint of its own; bitsandbytes needs none either, but no measured run says how fast it is, so it is tried only by name
_OF_ANY: Final = (AS_STORED, "fp8")
_UNQUANTISED = ("bf16", "bfloat16", "fp16", "float16", "none", "")


def formats(model: ModelSpec, asked: str) -> dict[str, ModelSpec]:
    """Return the model in each format that is asked for, by its name; of two names for the same model the first.

    Args:
        model: As it is stored.
        asked: One name, several with commas between them, or «any»: as stored, and as fp8, which engines make of it as they load it.

    Raises:
        InvalidInput: A name has no known format.
    """
    names = [name.strip().lower() for name in asked.split(",") if name.strip()]
    found: dict[str, ModelSpec] = {}
    for name in chain.from_iterable(_OF_ANY if each == ANY else (each,) for each in names):
        shape = model if name == AS_STORED else quantize(model, name)
        if shape not in found.values():
            found[name] = shape
    return found


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
        raise InvalidInput(f"quantization_type {method!r} is not known", param="quantization_type", remedy=f"use {ANY}, or of {legal}")
    stored = model.quantization
    if stored is not None and stored.weight_bits <= found.weight_bits:
        return model
    return replace(model, quantization=found)
