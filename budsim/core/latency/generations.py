"""What shares constants: the architecture of a device, and the generation of an engine's versions."""

import re
from typing import Final

from budsim.core.hardware.spec import Accelerator, DeviceType
from budsim.core.latency.columns import Lane
from budsim.core.latency.roofline import lane_of
from budsim.core.model.spec import ModelSpec

# first match wins; names are those of the catalogue
_ARCHITECTURES: Final = (
    (r"^(GB|B)\d|^RTXPRO|^RTX50|^HGX-B", "blackwell"),
    (r"^(GH|H)\d", "hopper"),
    (r"^L\d|^RTX40|^RTX.*ADA|^RTX4|^RTX\d+ADA", "ada"),
    (r"^A\d|^RTXA|^RTX30|^RTX3", "ampere"),
    (r"^V100", "volta"),
    (r"^(T4|RTX20|RTX8000|RTX6000)", "turing"),
    (r"^MI35", "cdna4"),
    (r"^MI3", "cdna3"),
    (r"^MI", "cdna2"),
)
FUSED_IN_TGI: Final = ("llama", "neox", "bigcode", "starcoder", "falcon", "mistral", "gpt2")
FLOAT_4BIT: Final = frozenset({"mxfp4", "nvfp4"})
NARROWEST_BITS: Final = 5.0  # weights up to here are called four-bit
_NUMBER: Final = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
# Releases from which an engine's host costs changed. vLLM: the V1 core is the default from 0.8, asynchronous scheduling from 0.14;
# SGLang: the overlap scheduler's second form from 0.5.6; TensorRT-LLM: the PyTorch backend settles with 1.1.
_STEPS: Final = {"vllm": ((0, 8), (0, 14)), "sglang": ((0, 5, 6),), "tensorrt-llm": ((1, 1),)}


def architecture_of(device: Accelerator) -> str:
    """Return the architecture generation of a device; its family where none is known."""
    if device.device_type in (DeviceType.CUDA, DeviceType.ROCM):
        name = device.name.upper().replace(" ", "")
        return next((found for pattern, found in _ARCHITECTURES if re.search(pattern, name)), device.device_type.value)
    return device.device_type.value


def engine_generation(engine: str, version: str) -> str:
    """Return the generation of an engine's version; a version that cannot be read is taken for the newest."""
    steps = _STEPS.get(engine)
    if steps is None:
        return engine
    found = _NUMBER.search(version)
    number = tuple(int(part or 0) for part in found.groups()) if found else (99, 0, 0)
    if number[0] >= 2000:  # a date, «2024-11 (0.6.x)», names its release behind
        number = (99, 0, 0)
    return f"{engine}-{sum(number >= step for step in steps)}"


def runs_eagerly(engine: str, model: ModelSpec) -> bool:
    """Return whether an engine runs a model by its reference code, a kernel for every operation, instead of fused layers.

    Source:
        text-generation-inference: flash variants exist for llama, gpt_neox, gpt_bigcode and falcon; other models run as transformers
        defines them.
    """
    return engine == "tgi" and not any(name in model.model_type for name in FUSED_IN_TGI)


def expert_kernels(device: Accelerator, model: ModelSpec) -> str | None:
    """Return which kernels multiply the routed experts, None without experts.

    Four-bit floats have kernels of their own where the device multiplies them (routing, both products and the sum in three or four
    launches); other four-bit weights are widened inside the product; 8 bits are cast, with a scale for every block, between the products.

    Source:
        Fused-MoE back ends of vLLM and SGLang: TRT-LLM-gen and CUTLASS for mxfp4 and nvfp4, Marlin and Triton for widened weights,
        DeepGEMM, CUTLASS and Triton for fp8.
    """
    if not model.is_moe:
        return None
    quantization = model.quantization
    if quantization is None or quantization.weight_bits > NARROWEST_BITS:
        return "eight" if lane_of(device, model) is Lane.EIGHT else "wide"
    is_float = quantization.method in FLOAT_4BIT
    return "four" if is_float and device.fp4_flop_per_s else "widened"


def offline_keys(device: Accelerator, engine: str, version: str) -> tuple[str, ...]:
    """Return what else a static batch's constants are looked up by: offline runs lack a server's costs, and have their own.

    A version that is not stated is kept apart, for such runs are older than those that state one.
    """
    release = engine_generation(engine, version) if _NUMBER.search(version) else f"{engine}-unstated"
    pair = f"{engine}@{device.device_type}"
    return "offline:any", f"offline:{engine}", f"offline:{pair}", f"offline:{pair}@{release}"


def constant_keys(device: Accelerator, engine: str, version: str, model: ModelSpec) -> tuple[str, ...]:
    """Return what a run's constants are looked up by, coarse to fine."""
    return (
        *(("code:eager",) if runs_eagerly(engine, model) else ()),
        *((f"experts:{kernels}",) if (kernels := expert_kernels(device, model)) else ()),
        f"family:{device.device_type}",
        f"engine:{engine}",
        f"generation:{engine_generation(engine, version)}",
    )
