"""What shares constants: the architecture of a device, and the generation of an engine's versions."""

import re
from typing import Final

from budsim.core.hardware.spec import Accelerator, DeviceType
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


def constant_keys(device: Accelerator, engine: str, version: str, model: ModelSpec) -> tuple[str, ...]:
    """Return what a run's constants are looked up by, coarse to fine."""
    return (
        *(("code:eager",) if runs_eagerly(engine, model) else ()),
        f"family:{device.device_type}",
        f"architecture:{architecture_of(device)}",
        f"engine:{engine}",
        f"generation:{engine_generation(engine, version)}",
    )
