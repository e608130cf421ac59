"""The engine releases the arguments are written for, and the images that hold them."""

from collections.abc import Mapping
from typing import Final

from budsim.core.engines.spec import EngineKind
from budsim.core.hardware.spec import DeviceType

VERSIONS: Final[Mapping[EngineKind, str]] = {
    EngineKind.VLLM: "0.11.2",
    EngineKind.SGLANG: "0.5.9",
    EngineKind.LITELLM: "1.80",
    EngineKind.LATENTBUD: "1.0",
}
DEFAULT_IMAGES: Final[Mapping[str, str]] = {
    "vllm": "vllm/vllm-openai:v0.11.2",
    "vllm/rocm": "rocm/vllm:rocm7.0.0_vllm_0.11.2_20251210",
    "vllm/cpu": "public.ecr.aws/q9t5s3a7/vllm-cpu-release-repo:v0.11.2",
    "vllm/hpu": "vault.habana.ai/gaudi-docker/1.23.0/ubuntu24.04/habanalabs/vllm-installer-2.9.0:latest",
    "sglang": "lmsysorg/sglang:v0.5.9",
    "sglang/rocm": "lmsysorg/sglang:v0.5.9-rocm700-mi30x",
    "litellm": "ghcr.io/berriai/litellm:main-stable",
    "latentbud": "budstudio/latentbud:latest",
}


def image_of(kind: EngineKind, device_type: DeviceType, given: Mapping[str, str]) -> str:
    """Return the image of an engine on a device family: the given one, by «engine/device» or «engine», else the default.

    Args:
        kind: Engine.
        device_type: Family of the device.
        given: Images from the settings.
    """
    exact = f"{kind}/{device_type}"
    return given.get(exact) or given.get(kind) or DEFAULT_IMAGES.get(exact) or DEFAULT_IMAGES[kind]
