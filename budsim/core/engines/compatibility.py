"""Which engines run a model on a device, in order of preference."""

from collections.abc import Mapping, Sequence
from typing import Final

from budsim.core.engines.families import family_of
from budsim.core.engines.spec import Endpoint, EngineKind, EngineProfile
from budsim.core.errors import NoCompatibleEngine
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.spec import ModelKind, ModelSpec

LARGE_PARAMETERS: Final = 5 * 10**9  # CONTRACT «Engines»: from here vLLM is preferred to LatentBud
VERSIONS: Final[Mapping[EngineKind, str]] = {
    EngineKind.VLLM: "0.11.0",
    EngineKind.SGLANG: "0.5.4",
    EngineKind.LITELLM: "1.77",
    EngineKind.LATENTBUD: "1.0",
}
_DEVICES: Final[Mapping[EngineKind, frozenset[DeviceType]]] = {
    EngineKind.VLLM: frozenset(DeviceType),
    EngineKind.SGLANG: frozenset({DeviceType.CUDA, DeviceType.ROCM}),
    EngineKind.LITELLM: frozenset({DeviceType.CPU}),
    EngineKind.LATENTBUD: frozenset({DeviceType.CUDA, DeviceType.CPU, DeviceType.HPU}),
}
_SMALL_FIRST: Final = (EngineKind.LATENTBUD, EngineKind.SGLANG, EngineKind.VLLM, EngineKind.LITELLM)
_LARGE_FIRST: Final = (EngineKind.VLLM, EngineKind.SGLANG, EngineKind.LATENTBUD, EngineKind.LITELLM)
_POOLING: Final = frozenset({Endpoint.EMBEDDING, Endpoint.RERANK})


def compatible_engines(
    model: ModelSpec,
    device_type: DeviceType,
    *,
    endpoints: Sequence[Endpoint],
    parameters: int,
    images: Mapping[str, str],
    restrict: Sequence[EngineKind] = (),
) -> tuple[EngineProfile, ...]:
    """Return the engines that fit, preferred first.

    Args:
        model: Shape and kind.
        device_type: Family of the device.
        endpoints: What is to be served; empty means what the model is made for.
        parameters: All parameters of the model.
        images: Image by «engine/device» or «engine».
        restrict: Engines the request allows; empty means all.

    Raises:
        NoCompatibleEngine: None of the allowed engines fits.
    """
    served = _served(model, endpoints)
    fitting = [kind for kind in EngineKind if device_type in _DEVICES[kind] and _serves(kind, model, served)]
    allowed = [kind for kind in fitting if not restrict or kind in restrict]
    if not allowed:
        able = ", ".join(fitting) or "no engine"
        raise NoCompatibleEngine(
            f"{model.model_id} ({', '.join(model.architectures) or model.model_type}) as {served} on {device_type}: {able} would fit"
            + (f", but engines is restricted to {', '.join(restrict)}" if restrict else ""),
            param="engines" if restrict else "pretrained_model_uri",
            remedy="lift the restriction, choose another device type, or another model",
        )
    large = parameters >= LARGE_PARAMETERS and {EngineKind.VLLM, EngineKind.LATENTBUD} <= set(allowed)
    order = _LARGE_FIRST if large else _SMALL_FIRST
    ranked = sorted(allowed, key=order.index)
    return tuple(_profile(kind, model, device_type, preference=place, images=images) for place, kind in enumerate(ranked))


def _served(model: ModelSpec, endpoints: Sequence[Endpoint]) -> Endpoint:
    if endpoints:
        return endpoints[0]
    return Endpoint.EMBEDDING if model.kind in (ModelKind.ENCODER, ModelKind.EMBEDDING) else Endpoint.LLM


def _serves(kind: EngineKind, model: ModelSpec, served: Endpoint) -> bool:
    if model.kind is ModelKind.PROPRIETARY:
        return kind is EngineKind.LITELLM
    match kind:
        case EngineKind.LITELLM:
            return False
        case EngineKind.LATENTBUD:
            return served in _POOLING
        case EngineKind.SGLANG:
            return served is Endpoint.LLM and model.kind is ModelKind.DECODER
        case EngineKind.VLLM:
            return served in _POOLING or model.kind is ModelKind.DECODER


def _profile(kind: EngineKind, model: ModelSpec, device_type: DeviceType, *, preference: int, images: Mapping[str, str]) -> EngineProfile:
    family = family_of(model, kind)
    splits = kind in (EngineKind.VLLM, EngineKind.SGLANG)
    return EngineProfile(
        kind=kind,
        version=VERSIONS[kind],
        image=images.get(f"{kind}/{device_type}") or images.get(kind) or DEFAULT_IMAGES.get(f"{kind}/{device_type}", DEFAULT_IMAGES[kind]),
        preference=preference,
        supports_lora=splits and device_type in (DeviceType.CUDA, DeviceType.ROCM),
        supports_pipeline_parallelism=splits and device_type is not DeviceType.CPU,
        tool_calling_parser=family.tool_parser if splits else None,
        reasoning_parser=family.reasoning_parser if splits else None,
        architecture_family=family.name,
        chat_template=None,
    )


DEFAULT_IMAGES: Final[Mapping[str, str]] = {
    "vllm": "vllm/vllm-openai:v0.11.0",
    "vllm/rocm": "rocm/vllm:latest",
    "vllm/cpu": "public.ecr.aws/q9t5s3a7/vllm-cpu-release-repo:v0.11.0",
    "vllm/hpu": "vllm/vllm-hpu:v0.11.0",
    "sglang": "lmsysorg/sglang:v0.5.4",
    "sglang/rocm": "lmsysorg/sglang:v0.5.4-rocm630-mi30x",
    "litellm": "ghcr.io/berriai/litellm:main-stable",
    "latentbud": "budstudio/latentbud:latest",
}
