"""What a config's `quantization_config` says of the weights."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from budsim.core.errors import UnsupportedModel
from budsim.core.model.config_formats import by_parts
from budsim.core.model.quantize import METHODS
from budsim.core.model.spec import Precision, Quantization

_ALIASES = {"fbgemm_fp8": "fp8", "gptq_marlin": "gptq", "awq_marlin": "awq", "intel/auto-round": "auto-round"}
MOST_BITS = 32  # of one weight: fp32
EIGHT_BIT_SCALE = 8.0  # of 4-bit floats: E4M3 (NVFP4) or E8M0 (OCP Microscaling Formats 1.0)
SPARSE_BITS = 9.0  # of weights that are sparse alone: half of them in 16 bits, and one bit each that says which
COMPRESSED_BITS = 8.0  # of compressed-tensors where a config does not say: its QuantizationArgs.num_bits
_MODELOPT = {
    "nvfp4": "nvfp4",
    "fp8": "fp8",
    "w4a16_nvfp4": "w4a16_nvfp4",
    "mxfp4": "mxfp4",
    "mxfp8": "mxfp8",
    "w4a16_awq": "awq",
    "w4a8_awq": "awq",
}
_QUARK = {"fp4": "mxfp4", "fp4_e2m1": "mxfp4", "fp8_e4m3": "fp8", "int8": "int8", "int4": "w4a16", "uint4": "awq"}
_TORCHAO = (  # beginnings of its names, the longer ones first
    ("int8dynamic", "int8"),
    ("int8weight", "w8a16"),
    ("int4weight", "w4a16"),
    ("float8dynamic", "fp8"),
    ("float8weight", "w8a16"),
)
_UNNAMED = {"quant_algo": "modelopt", "load_in_4bit": "bitsandbytes", "load_in_8bit": "bitsandbytes"}  # files that name no method
_LEFT_OUT = ("ignore", "exclude_modules", "modules_to_not_convert")
_OUTPUT_OF_LAYER = re.compile(r"layers\.(\d+)\.self_attn\.o_proj$")
_ATTENTION = re.compile(r"self_attn(\.\*|\*|$)|\.attn\.?\*|\.self_attention")  # a pattern for all layers' attention, or one of theirs whole


def read_quantization(config: Mapping[str, Any], *, model_id: str = "the model") -> Quantization | None:
    """Return how the weights are stored; None where they are in the model's dtype.

    Raises:
        UnsupportedModel: A method whose width of a weight the section does not tell.
    """
    section = config.get("quantization_config")
    if not isinstance(section, Mapping) or not section:
        return None
    name = str(section.get("quant_method") or next((method for key, method in _UNNAMED.items() if section.get(key)), "")).lower()
    name = _ALIASES.get(name, name)
    reader = _READERS.get(name)
    found = reader(section, model_id) if reader else _plain(section, name, model_id)
    return _mixed(found, section, config)


def _mixed(found: Quantization, section: Mapping[str, Any], config: Mapping[str, Any]) -> Quantization:
    """Return the format with what a config says of the weights beside the experts: left as they are, or in a format of their own."""
    if config.get("expert_dtype") == "fp4":  # DeepSeek-V4: experts in MXFP4, the rest as the section says
        return replace(METHODS["mxfp4"], dense=found)
    left = next((listed for name in _LEFT_OUT if isinstance(listed := section.get(name), list)), [])
    names = [item for item in left if isinstance(item, str)]
    attention_left = any(_ATTENTION.search(name) for name in names) or _names_most_layers(names, config)
    return replace(found, excludes_attention=True) if attention_left else found


def _names_most_layers(names: Iterable[str], config: Mapping[str, Any]) -> bool:
    """Return whether attention is left out layer by layer, as in Meta's FP8 checkpoints (The Llama 3 Herd of Models, section 6.2)."""
    layers = config.get("num_hidden_layers")
    named = {match.group(1) for name in names if (match := _OUTPUT_OF_LAYER.search(name))}
    return isinstance(layers, int) and bool(named) and 2 * len(named) > layers


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
    return replace(known, weight_bits=bits, group_size=_group(group), block_size=_block(section.get("weight_block_size")))


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


def _block(value: object) -> int:
    return max((_group(side) for side in value), default=0) if isinstance(value, list | tuple) else 0


def _modelopt(section: Mapping[str, Any], model_id: str) -> Quantization:
    algorithm = str(section.get("quant_algo") or "").lower()
    if algorithm == "mixed_precision":
        return _by_layer(section, model_id)
    return _algorithm(algorithm, model_id)


def _algorithm(algorithm: str, model_id: str) -> Quantization:
    start = max((start for start in _MODELOPT if algorithm.startswith(start)), key=len, default=None)
    if start is None:
        raise _unread(model_id, f"quant_algo {algorithm!r}")
    return METHODS[_MODELOPT[start]]


def _by_layer(section: Mapping[str, Any], model_id: str) -> Quantization:
    layers = _inner(section, "quantized_layers")
    algorithms = {name: str(_inner(layers, name).get("quant_algo") or "").lower() for name in layers}
    known = {algorithm: _algorithm(algorithm, model_id) for algorithm in set(algorithms.values())}
    found = by_parts({name: known[algorithm] for name, algorithm in algorithms.items()})
    if found is None:
        raise _unread(model_id, "quant_algo 'mixed_precision' without quantized_layers of a feed-forward")
    return found


def _quark(section: Mapping[str, Any], model_id: str) -> Quantization:
    everywhere, layers = _inner(section, "global_quant_config"), _inner(section, "layer_quant_config")
    otherwise = _quark_format(everywhere, model_id) if everywhere or not layers else None
    found = by_parts({name: _quark_format(_inner(layers, name), model_id) for name in layers}, otherwise=otherwise) or otherwise
    if found is None:
        raise _unread(model_id, "a layer_quant_config of quark that names no feed-forward")
    return found


def _quark_format(section: Mapping[str, Any], model_id: str) -> Quantization:
    """Return a format of quark; of weights that were narrowed in stages the last is what is stored."""
    stages = section.get("weight")
    stored = stages[-1] if isinstance(stages, list) and stages else stages
    dtype = str(stored.get("dtype", "") if isinstance(stored, Mapping) else "").lower()
    if dtype not in _QUARK:
        raise _unread(model_id, f"quark weight dtype {dtype!r}")
    return METHODS[_QUARK[dtype]]


def _compressed_tensors(section: Mapping[str, Any], _: str) -> Quantization:
    groups = [group for group in _inner(section, "config_groups").values() if isinstance(group, Mapping)]
    formats = [_compressed_format(group) for group in groups]
    named = {name: form for group, form in zip(groups, formats, strict=True) for name in _names(group.get("targets"))}
    if not groups and _inner(section, "sparsity_config"):
        return replace(_compressed_format({}), weight_bits=SPARSE_BITS)
    return (by_parts(named) if len(groups) > 1 else None) or (formats[0] if formats else _compressed_format({}))


def _names(listed: object) -> list[str]:
    return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []


def _compressed_format(group: Mapping[str, Any]) -> Quantization:
    stored = _inner(group, "weights")
    is_float = stored.get("type") == "float"
    bits = _bits(stored.get("num_bits")) or COMPRESSED_BITS
    narrow = Precision.FP8 if is_float else Precision.INT8
    if is_float and bits == METHODS["nvfp4"].weight_bits:
        narrow = Precision.FP4
    return Quantization(
        method="compressed-tensors",
        weight_bits=bits,
        group_size=_group(stored.get("group_size")),
        block_size=_block(stored.get("block_structure")),
        scale_bits=EIGHT_BIT_SCALE if is_float and bits == METHODS["nvfp4"].weight_bits else None,
        activation=narrow if group.get("input_activations") else Precision.BF16,
    )


def _torchao(section: Mapping[str, Any], model_id: str) -> Quantization:
    """Return a format of torchao by the name of its config, of old ones by that of its function."""
    given = section.get("quant_type")
    default = _inner(given, "default") if isinstance(given, Mapping) else {}
    name = str(default.get("_type") or given).lower().replace("_", "")
    form = next((METHODS[method] for start, method in _TORCHAO if start in name), None)
    if form is None:
        raise _unread(model_id, f"torchao's quant_type {name!r}")
    group = _group(_inner(default, "_data").get("group_size")) or form.group_size
    return replace(form, method="torchao", group_size=group if form.group_size else 0)


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
    "torchao": _torchao,
}
