"""The arguments and environment that start an engine as it was planned."""

from math import ceil
from typing import Any

from budsim.core.engines.candidates import Candidate
from budsim.core.engines.spec import EngineKind, EngineProfile, Scenario
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.spec import ModelSpec, Precision
from budsim.core.units import GIB

VLLM_KV_DTYPES = {Precision.BF16: "auto", Precision.FP16: "auto", Precision.FP8: "fp8"}
SGLANG_KV_DTYPES = {Precision.BF16: "auto", Precision.FP16: "auto", Precision.FP8: "fp8_e4m3"}


def engine_arguments(
    scenario: Scenario, candidate: Candidate, *, gpu_memory_utilization: float, kv_bytes: float
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return command-line arguments, without leading dashes, and environment variables.

    Args:
        scenario: Model, device, engine and load.
        candidate: The planned deployment.
        gpu_memory_utilization: Share of a device's memory the engine may take.
        kv_bytes: KV cache planned on one device. [bytes]

    Source:
        vllm/engine/arg_utils.py and sglang/srt/server_args.py of the profile's versions.
    """
    match scenario.engine.kind:
        case EngineKind.VLLM:
            return _vllm(scenario, candidate, gpu_memory_utilization), _vllm_envs(scenario, kv_bytes)
        case EngineKind.SGLANG:
            return _sglang(scenario, candidate, gpu_memory_utilization), {}
        case EngineKind.LITELLM:
            return {"model": scenario.model.model_id, "max_parallel_requests": candidate.concurrency}, {}
        case EngineKind.LATENTBUD:
            return {"model-id": scenario.model.model_id, "batch-size": candidate.concurrency}, {}


def context_length(scenario: Scenario) -> int:
    """Return the longest sequence the deployment must take: the planned one, within what the model knows. [tokens]"""
    return max(1, min(scenario.workload.sequence_tokens, scenario.model.max_context_length))


def _vllm(scenario: Scenario, candidate: Candidate, utilization: float) -> dict[str, Any]:
    model, device = scenario.model, scenario.device.device_type
    arguments: dict[str, Any] = {
        "model": model.model_id,
        "tensor-parallel-size": candidate.tensor_parallel,
        "pipeline-parallel-size": candidate.pipeline_parallel,
        "max-num-seqs": candidate.max_num_seqs,
        "max-num-batched-tokens": max(candidate.max_num_batched_tokens, candidate.max_num_seqs),
        "max-model-len": context_length(scenario),
        "dtype": _dtype(model),
        "kv-cache-dtype": VLLM_KV_DTYPES.get(candidate.kv_precision, "auto"),
    }
    if device is not DeviceType.CPU:
        arguments["gpu-memory-utilization"] = round(utilization, 3)
        arguments["block-size"] = 128 if device is DeviceType.HPU else candidate.block_size
    arguments["enable-prefix-caching" if candidate.prefix_caching else "no-enable-prefix-caching"] = True
    arguments["enable-chunked-prefill" if candidate.chunked_prefill else "no-enable-chunked-prefill"] = True
    _parsers(arguments, scenario.engine)
    if scenario.engine.tool_calling_parser:
        arguments["enable-auto-tool-choice"] = True
    return arguments


def _vllm_envs(scenario: Scenario, kv_bytes: float) -> dict[str, str]:
    if scenario.device.device_type is DeviceType.CPU:
        return {"VLLM_CPU_KVCACHE_SPACE": str(max(1, ceil(kv_bytes / GIB)))}
    return {}


def _sglang(scenario: Scenario, candidate: Candidate, utilization: float) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "model-path": scenario.model.model_id,
        "tp-size": candidate.tensor_parallel,
        "pp-size": candidate.pipeline_parallel,
        "max-running-requests": candidate.max_num_seqs,
        "chunked-prefill-size": candidate.max_num_batched_tokens if candidate.chunked_prefill else -1,
        "context-length": context_length(scenario),
        "mem-fraction-static": round(utilization, 3),
        "dtype": _dtype(scenario.model),
        "kv-cache-dtype": SGLANG_KV_DTYPES.get(candidate.kv_precision, "auto"),
    }
    if not candidate.prefix_caching:
        arguments["disable-radix-cache"] = True
    _parsers(arguments, scenario.engine)
    return arguments


def _parsers(arguments: dict[str, Any], engine: EngineProfile) -> None:
    if engine.tool_calling_parser:
        arguments["tool-call-parser"] = engine.tool_calling_parser
    if engine.reasoning_parser:
        arguments["reasoning-parser"] = engine.reasoning_parser


def _dtype(model: ModelSpec) -> str:
    return {Precision.FP16: "float16", Precision.FP32: "float32"}.get(model.precision, "bfloat16")
