"""The arguments and environment that start an engine as it was planned."""

from dataclasses import dataclass
from typing import Any, Final

from budsim.core.engines.candidates import Candidate
from budsim.core.engines.sglang_arguments import sglang_arguments
from budsim.core.engines.spec import EngineKind, Scenario
from budsim.core.engines.vllm_arguments import vllm_arguments, vllm_variables
from budsim.core.hardware.spec import DeviceType
from budsim.core.hardware.visible import visible_share

PROXY_WORKERS: Final = 4  # LiteLLM's own advice: one for each core of the proxy's container
_INFINITY_DEVICES: Final = {DeviceType.CUDA: "cuda", DeviceType.CPU: "cpu"}  # the others are found by the server itself

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMemory:
    """What the memory plan leaves an engine to take.

    Attributes:
        gpu_memory_utilization: Share of a device's memory the engine may take.
        kv_bytes: KV cache planned on one device. [bytes]
        working_bytes: Activations and overhead planned on one device, which SGLang counts outside its static share. [bytes]
        outside_bytes: Of the working bytes, what is taken before SGLang measures the memory its share is of. [bytes]
    """

    gpu_memory_utilization: float
    kv_bytes: float
    working_bytes: float = 0.0
    outside_bytes: float = 0.0


def engine_arguments(
    scenario: Scenario, candidate: Candidate, *, memory: PlannedMemory, max_loras: int = 0
) -> tuple[Arguments, dict[str, str]]:
    """Return command-line arguments, without leading dashes, and environment variables. A flag without a value is True.

    Args:
        scenario: Model, device, engine and load.
        candidate: The planned deployment.
        memory: The plan it must keep to.
        max_loras: Adapters served at once; 0 = none.

    Source:
        The argument definitions of the engine's release, recorded in releases/.
    """
    match scenario.engine.kind:
        case EngineKind.VLLM:
            started = vllm_arguments(scenario, candidate, utilization=memory.gpu_memory_utilization, max_loras=max_loras)
            return started, vllm_variables(scenario, candidate, kv_bytes=memory.kv_bytes)
        case EngineKind.SGLANG:
            visible = visible_share(scenario.device) * scenario.device.memory_bytes
            static = (memory.gpu_memory_utilization * visible - memory.working_bytes) / (visible - memory.outside_bytes)
            return sglang_arguments(scenario, candidate, static_share=static, max_loras=max_loras), {}
        case EngineKind.LITELLM:
            return {"model": scenario.model.model_id, "num_workers": PROXY_WORKERS}, {}
        case EngineKind.LATENTBUD:
            return _latentbud(scenario, candidate), {}


def _latentbud(scenario: Scenario, candidate: Candidate) -> Arguments:
    return {
        "model-id": scenario.model.model_id,
        "batch-size": candidate.concurrency,
        "device": _INFINITY_DEVICES.get(scenario.device.device_type, "auto"),
    }
