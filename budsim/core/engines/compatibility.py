"""Which engines run a model on a device, in order of preference."""

from collections.abc import Mapping, Sequence
from typing import Final

from budsim.core.engines.families import family_of, runs_architecture
from budsim.core.engines.images import EngineImages
from budsim.core.engines.quantization import runs_quantization
from budsim.core.engines.releases import Release, release_of
from budsim.core.engines.spec import Endpoint, EngineKind, EngineProfile
from budsim.core.errors import NoCompatibleEngine
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.spec import ModelKind, ModelSpec

LARGE_PARAMETERS: Final = 5 * 10**9  # CONTRACT «Engines»: from here vLLM is preferred to LatentBud
_DEVICES: Final[Mapping[EngineKind, frozenset[DeviceType]]] = {
    EngineKind.VLLM: frozenset(DeviceType),
    EngineKind.SGLANG: frozenset({DeviceType.CUDA, DeviceType.ROCM}),
    EngineKind.LITELLM: frozenset({DeviceType.CPU}),
    EngineKind.LATENTBUD: frozenset({DeviceType.CUDA, DeviceType.CPU, DeviceType.HPU}),
}
_SMALL_FIRST: Final = (EngineKind.LATENTBUD, EngineKind.SGLANG, EngineKind.VLLM, EngineKind.LITELLM)
_LARGE_FIRST: Final = (EngineKind.VLLM, EngineKind.SGLANG, EngineKind.LATENTBUD, EngineKind.LITELLM)
_POOLING: Final = frozenset({Endpoint.EMBEDDING, Endpoint.RERANK})
_SPLITTING: Final = frozenset({EngineKind.VLLM, EngineKind.SGLANG})  # engines that spread one model over devices
_LORA_DEVICES: Final = frozenset({DeviceType.CUDA, DeviceType.ROCM})


def compatible_engines(
    model: ModelSpec,
    device_type: DeviceType,
    *,
    endpoints: Sequence[Endpoint],
    parameters: int,
    images: EngineImages,
    restrict: Sequence[EngineKind] = (),
) -> tuple[EngineProfile, ...]:
    """Return the engines that fit, preferred first.

    Args:
        model: Shape and kind.
        device_type: Family of the device.
        endpoints: What is to be served, any of them; empty means what the model is made for.
        parameters: All parameters of the model.
        images: Images and engine versions.
        restrict: Engines the request allows; empty means all.

    Raises:
        NoCompatibleEngine: None of the allowed engines fits.
    """
    served = tuple(endpoints) or (_purpose(model),)
    able = frozenset[EngineKind]().union(*(_able(model, each) for each in served))
    versions = {kind: images.version_of(kind, device_type) for kind in EngineKind}
    fitting = sorted(kind for kind in able if _runs(model, release_of(kind, versions[kind]), device_type))
    allowed = sorted(set(fitting) & set(restrict or fitting))
    if not allowed:
        raise _none_fits(model, device_type, served=served, fitting=fitting, restrict=restrict)
    ranked = sorted(allowed, key=_preference(allowed, parameters).index)
    return tuple(_profile(kind, model, device_type, preference=place, images=images) for place, kind in enumerate(ranked))


def _purpose(model: ModelSpec) -> Endpoint:
    return Endpoint.EMBEDDING if model.kind in (ModelKind.ENCODER, ModelKind.EMBEDDING) else Endpoint.LLM


def _able(model: ModelSpec, served: Endpoint) -> frozenset[EngineKind]:
    """Return the engines that serve a model of its kind so, whatever its architecture and device."""
    if model.kind is ModelKind.PROPRIETARY:
        return frozenset({EngineKind.LITELLM})
    if served in _POOLING:
        return frozenset({EngineKind.LATENTBUD, EngineKind.VLLM})
    return frozenset({EngineKind.VLLM, EngineKind.SGLANG}) if model.kind is ModelKind.DECODER else frozenset()


def _runs(model: ModelSpec, release: Release, device_type: DeviceType) -> bool:
    """Whether a release runs this architecture and this format of weights on this device."""
    if device_type not in _DEVICES[release.engine]:
        return False
    if release.engine not in _SPLITTING:
        return True
    return runs_architecture(model, release) and runs_quantization(model, release, device_type)


def _preference(allowed: Sequence[EngineKind], parameters: int) -> tuple[EngineKind, ...]:
    both = EngineKind.VLLM in allowed and EngineKind.LATENTBUD in allowed
    return _LARGE_FIRST if both and parameters >= LARGE_PARAMETERS else _SMALL_FIRST


def _none_fits(
    model: ModelSpec,
    device_type: DeviceType,
    *,
    served: Sequence[Endpoint],
    fitting: Sequence[EngineKind],
    restrict: Sequence[EngineKind],
) -> NoCompatibleEngine:
    stored = f", {model.quantization.method}" if model.quantization else ""
    name = f"{model.model_id} ({', '.join(model.architectures) or model.model_type}{stored}) as {' or '.join(served)} on {device_type}"
    if fitting:
        return NoCompatibleEngine(
            f"{name} runs on {', '.join(fitting)}, but engines is restricted to {', '.join(restrict)}.",
            param="engines",
            remedy=f"Allow {' or '.join(fitting)}.",
        )
    return NoCompatibleEngine(
        f"{name}: none of {', '.join(EngineKind)} runs it.",
        param="pretrained_model_uri",
        remedy="Choose another device type, another endpoint or another model.",
    )


def _profile(kind: EngineKind, model: ModelSpec, device_type: DeviceType, *, preference: int, images: EngineImages) -> EngineProfile:
    version = images.version_of(kind, device_type)
    family = family_of(model, release_of(kind, version))
    splits = kind in _SPLITTING
    return EngineProfile(
        kind=kind,
        version=version,
        image=images.image_of(kind, device_type),
        preference=preference,
        supports_lora=splits and device_type in _LORA_DEVICES,
        supports_pipeline_parallelism=splits and device_type is not DeviceType.CPU,
        tool_calling_parser=family.tool_parser,
        reasoning_parser=family.reasoning_parser,
        architecture_family=family.name,
        chat_template=family.chat_template,
    )
