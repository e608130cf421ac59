"""What vLLM and SGLang are told in the same words."""

from typing import Any, Final

from budsim.core.engines.flags import has_choice
from budsim.core.engines.releases import Release
from budsim.core.engines.spec import EngineProfile, Scenario
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.quantize import ONLINE
from budsim.core.model.spec import ModelSpec, Precision

LORA_RANK: Final = 256  # CONTRACT «Engines»
_DTYPES: Final = {Precision.FP16: "float16", Precision.FP32: "float32"}  # everything else computes in bfloat16
_WITHOUT_BF16: Final = ("V100", "T4")  # compute capability below 8.0, which vLLM's platforms/cuda.py refuses bfloat16 on


def dtype_of(scenario: Scenario) -> str:
    """Return the dtype of activations: the model's, where the device has it.

    Source:
        platforms/cuda.py of vLLM; platform.py of vllm-gaudi, which knows bfloat16 alone.
    """
    device = scenario.device
    if device.device_type is DeviceType.HPU:
        return "bfloat16"
    known = _DTYPES.get(scenario.model.precision, "bfloat16")
    lacking = device.device_type is DeviceType.CUDA and device.name.startswith(_WITHOUT_BF16)
    return "float16" if lacking and known == "bfloat16" else known


def online_quantization(model: ModelSpec) -> dict[str, Any]:
    """Return the format the engine makes as it loads, where it is one of those."""
    method = model.quantization.method if model.quantization else ""
    return {"quantization": method} if method in ONLINE else {}


def parsers(engine: EngineProfile, release: Release) -> dict[str, str]:
    """Return the parsers of tool calls and reasoning that this release has."""
    named = {"tool-call-parser": engine.tool_calling_parser, "reasoning-parser": engine.reasoning_parser}
    return {flag: name for flag, name in named.items() if name and has_choice(release, flag, name)}
