"""The images engines run from, and the engine versions those hold: the arguments are written for that version."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from budsim.core.engines.spec import EngineKind
from budsim.core.hardware.spec import DeviceType

VERSIONS: Final[Mapping[EngineKind, str]] = {
    EngineKind.VLLM: "0.11.2",
    EngineKind.SGLANG: "0.5.9",
    EngineKind.LITELLM: "1.80.0",
    EngineKind.LATENTBUD: "1.0",
}
# an image with {version} exists for every release; the others were built for one
DEFAULT_IMAGES: Final[Mapping[str, str]] = {
    "vllm": "vllm/vllm-openai:v{version}",
    "vllm/rocm": "rocm/vllm:rocm7.0.0_vllm_0.11.2_20251210",
    "vllm/cpu": "public.ecr.aws/q9t5s3a7/vllm-cpu-release-repo:v{version}",
    "vllm/hpu": "vault.habana.ai/gaudi-docker/1.23.0/ubuntu24.04/habanalabs/vllm-installer-2.9.0:latest",
    "sglang": "lmsysorg/sglang:v{version}",
    "sglang/rocm": "lmsysorg/sglang:v{version}-rocm700-mi30x",
    "litellm": "ghcr.io/berriai/litellm:main-stable",
    "latentbud": "budstudio/latentbud:latest",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineImages:
    """Images and engine versions from the settings, by «engine/device» or «engine»; the closer name wins."""

    images: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def image_of(self, kind: EngineKind, device_type: DeviceType) -> str:
        """Return the image of an engine on a device family: the given one, else the default for the version."""
        template = self._given(kind, device_type) or _default(kind, device_type)
        return template.replace("{version}", self.version_of(kind, device_type))

    def version_of(self, kind: EngineKind, device_type: DeviceType) -> str:
        """Return the engine version: the given one, else what the image's tag says, else the default.

        A version given for an engine on every device does not count where the default image was built for another one.
        """
        exact = self.versions.get(f"{kind}/{device_type}")
        image = self._given(kind, device_type) or _default(kind, device_type)
        tagged = version_in(image, kind)
        built_for_one = self._given(kind, device_type) is None and tagged is not None
        general = None if built_for_one else self.versions.get(kind)
        return exact or general or tagged or VERSIONS[kind]

    def _given(self, kind: EngineKind, device_type: DeviceType) -> str | None:
        return self.images.get(f"{kind}/{device_type}") or self.images.get(kind)


def version_in(image: str, kind: EngineKind) -> str | None:
    """Return the engine version an image's tag names: at its start, or behind the engine's name.

    «vllm/vllm-openai:v0.11.2» holds 0.11.2, «rocm/vllm:rocm7.0.0_vllm_0.11.2_20251210» too.
    """
    _name, separator, tag = image.rpartition(":")
    if not separator or "/" in tag:
        return None
    found = re.search(rf"(?:^v?|{kind}[_-]v?)(\d+\.\d+(?:\.\d+)*(?:\.post\d+)?)", tag)
    return found.group(1) if found else None


def _default(kind: EngineKind, device_type: DeviceType) -> str:
    return DEFAULT_IMAGES.get(f"{kind}/{device_type}") or DEFAULT_IMAGES[kind]
