"""What a config's `quantization_config` says of the weights."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from budsim.core.errors import UnsupportedModel
from budsim.core.model.quantize import METHODS
from budsim.core.model.spec import Precision, Quantization

_ALIASES = {"fbgemm_fp8": "fp8", "gptq_marlin": "gptq", "awq_marlin": "awq"}
MOST_BITS = 32  # of one weight: fp32
COMPRESSED_BITS = 8.0  # of compressed-tensors where a config does not say: its QuantizationArgs.num_bits
_MODELOPT = {"nvfp4": "nvfp4", "fp8": "fp8"}


def read_quantization(config: Mapping[str, Any], *, model_id: str = "the model") -> Quantization | None:
    """Return how the weights are stored; None where they are in the model's dtype.

    Raises:
        UnsupportedModel: A method whose width of a weight the section does not tell.
    """
    section = config.get("quantization_config")
    if not isinstance(section, Mapping) or not section:
        return None
    name = str(section.get("quant_method") or "").lower()
    name = _ALIASES.get(name, name)
    reader = _READERS.get(name)
    return reader(section, model_id) if reader else _plain(section, name, model_id)


def _plain(section: Mapping[str, Any], name: str, model_id: str) -> Quantization:
    """Return a method that states bits and group size at the top."""
    found = METHODS.get(name)
    stated = section.get("bits") or section.get("w_bit")
    if found and stated is None:
        stated = found.weight_bits
    bits = _bits(stated)
    if bits is None:
        raise _unread(model_id, f"quant_method {name!r} with bits {stated!r}")
    known = found or Quantization(method=name, weight_bits=bits)
    group = section.get("group_size", section.get("q_group_size", known.group_size))
    return replace(known, weight_bits=bits, group_size=_group(group))


def _bits(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= MOST_BITS else None


def _bitsandbytes(section: Mapping[str, Any], _: str) -> Quantization:
    return METHODS["w8a16"] if section.get("load_in_8bit") else METHODS["nf4"]


def _mxfp4(_: Mapping[str, Any], __: str) -> Quantization:
    """Return what gpt-oss ships: attention, router and embeddings stay in bf16."""
    return replace(METHODS["mxfp4"], experts_only=True)


def _group(value: object) -> int:
    return max(0, value) if isinstance(value, int) else 0


def _modelopt(section: Mapping[str, Any], model_id: str) -> Quantization:
    algorithm = str(section.get("quant_algo") or "").lower()
    found = next((method for start, method in _MODELOPT.items() if algorithm.startswith(start)), None)
    if found is None:
        raise _unread(model_id, f"quant_algo {algorithm!r}")
    return METHODS[found]


def _quark(section: Mapping[str, Any], model_id: str) -> Quantization:
    dtype = str(_inner(_inner(section, "global_quant_config"), "weight").get("dtype", "")).lower()
    known = {"fp4": "mxfp4", "fp8_e4m3": "fp8", "int8": "int8"}
    if dtype not in known:
        raise _unread(model_id, f"quark weight dtype {dtype!r}")
    return METHODS[known[dtype]]


def _compressed_tensors(section: Mapping[str, Any], _: str) -> Quantization:
    groups = _inner(section, "config_groups")
    layer = _inner(groups, next(iter(groups), ""))
    stored = _inner(layer, "weights")
    is_float = stored.get("type") == "float"
    bits = _bits(stored.get("num_bits")) or COMPRESSED_BITS
    if is_float and bits == METHODS["nvfp4"].weight_bits:
        return replace(METHODS["nvfp4"], method="compressed-tensors")
    narrow = Precision.FP8 if is_float else Precision.INT8
    meets = narrow if layer.get("input_activations") else Precision.BF16
    return Quantization(method="compressed-tensors", weight_bits=bits, group_size=_group(stored.get("group_size")), activation=meets)


def _inner(section: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = section.get(name)
    return value if isinstance(value, Mapping) else {}


def _unread(model_id: str, what: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"the quantization_config of {model_id} has {what}, which is not known",
        param="pretrained_model_uri",
        remedy=f"name a checkpoint in the model's own dtype or in one of {', '.join(sorted(METHODS))}",
    )


_READERS: Mapping[str, Callable[[Mapping[str, Any], str], Quantization]] = {
    "compressed-tensors": _compressed_tensors,
    "bitsandbytes": _bitsandbytes,
    "modelopt": _modelopt,
    "mxfp4": _mxfp4,
    "quark": _quark,
}
