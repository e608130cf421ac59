"""A model as it would be once quantised, or as its config says it already is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from budsim.core.errors import InvalidInput
from budsim.core.model.spec import ModelSpec, Precision, Quantization

# bits, group size and activation of what engines load under these names; sources: the AWQ and GPTQ papers' default group of 128,
# bitsandbytes' NF4 blocks of 64, OCP microscaling formats (blocks of 32, one 8-bit scale: counted as 16 per 64), NVFP4 blocks of 16
_METHODS: Mapping[str, Quantization] = {
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
    "mxfp4": Quantization(method="mxfp4", weight_bits=4, group_size=64),
    "nvfp4": Quantization(method="nvfp4", weight_bits=4, group_size=32, activation=Precision.FP4),
}


def quantize(model: ModelSpec, method: str) -> ModelSpec:
    """Return the model with its linear layers in another format.

    Raises:
        InvalidInput: The method has no known format.
    """
    name = method.strip().lower()
    if name in ("bf16", "bfloat16", "fp16", "float16", "none", ""):
        return replace(model, quantization=None)
    found = _METHODS.get(name)
    if found is None:
        raise InvalidInput(
            f"quantization_type {method!r} is not known", param="quantization_type", remedy=f"use one of {', '.join(sorted(_METHODS))}"
        )
    return replace(model, quantization=found)


def read_quantization(config: Mapping[str, Any]) -> Quantization | None:
    """Return what `quantization_config` says; None where there is none or its method is unknown to the engines."""
    section = config.get("quantization_config")
    if not isinstance(section, Mapping):
        return None
    name = str(section.get("quant_method", "")).lower()
    if name == "compressed-tensors":
        return _compressed_tensors(section)
    if name == "bitsandbytes" and section.get("load_in_8bit"):
        return _METHODS["w8a16"]
    found = _METHODS.get(name)
    if found is None:
        return None
    bits = section.get("bits") or section.get("w_bit") or found.weight_bits
    group = section.get("group_size", section.get("q_group_size", found.group_size))
    return replace(found, weight_bits=float(bits), group_size=max(0, int(group)) if name in ("awq", "gptq") else found.group_size)


def _compressed_tensors(section: Mapping[str, Any]) -> Quantization:
    groups = section.get("config_groups") or {}
    first: Mapping[str, Any] = next(iter(groups.values()), {}) if isinstance(groups, Mapping) else {}
    weights = first.get("weights") or {}
    bits = float(weights.get("num_bits") or 8)
    kind = str(weights.get("type", "int"))
    activated = first.get("input_activations") is not None
    activation = (Precision.FP8 if kind == "float" else Precision.INT8) if activated else Precision.BF16
    return Quantization(
        method="compressed-tensors", weight_bits=bits, group_size=max(0, int(weights.get("group_size") or 0)), activation=activation
    )
