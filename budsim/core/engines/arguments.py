"""The arguments and environment that start an engine as it was planned."""

from math import ceil
from typing import Any, Final

from budsim.core.engines.candidates import Candidate
from budsim.core.engines.spec import EngineKind, EngineProfile, Scenario
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.spec import ModelKind, ModelSpec, Precision
from budsim.core.units import GIB

DTYPES: Final = {Precision.FP16: "float16", Precision.FP32: "float32"}  # everything else computes in bfloat16
# formats both engines make of an unquantised checkpoint as they load it; the others need a checkpoint that is stored so
ONLINE_QUANTIZATIONS: Final = frozenset({"fp8", "bitsandbytes"})
PROXY_WORKERS: Final = 4  # LiteLLM's own advice: one for each core of the proxy's container

Arguments = dict[str, Any]


def engine_arguments(
    scenario: Scenario, candidate: Candidate, *, gpu_memory_utilization: float, kv_bytes: float, working_bytes: float = 0.0
) -> tuple[Arguments, dict[str, str]]:
    """Return command-line arguments, without leading dashes, and environment variables. A flag without a value is True.

    Args:
        scenario: Model, device, engine and load.
        candidate: The planned deployment.
        gpu_memory_utilization: Share of a device's memory the engine may take.
        kv_bytes: KV cache planned on one device. [bytes]
        working_bytes: Activations and overhead planned on one device, which SGLang counts outside its static share. [bytes]

    Source:
        The engines' own argument definitions, recorded in flags.csv.
    """
    match scenario.engine.kind:
        case EngineKind.VLLM:
            return _vllm(scenario, candidate, gpu_memory_utilization), _vllm_envs(scenario, candidate, kv_bytes)
        case EngineKind.SGLANG:
            static = gpu_memory_utilization - working_bytes / scenario.device.memory_bytes
            return _sglang(scenario, candidate, static), {}
        case EngineKind.LITELLM:
            return {"model": scenario.model.model_id, "num_workers": PROXY_WORKERS}, {}
        case EngineKind.LATENTBUD:
            return {"model-id": scenario.model.model_id, "batch-size": candidate.concurrency}, {}


def context_length(scenario: Scenario) -> int:
    """Return the longest sequence the deployment must take: the planned one, within what the model knows. [tokens]"""
    return max(1, min(scenario.workload.sequence_tokens, scenario.model.max_context_length))


def _vllm(scenario: Scenario, candidate: Candidate, utilization: float) -> Arguments:
    model, device = scenario.model, scenario.device.device_type
    arguments: Arguments = {
        "model": model.model_id,
        "tensor-parallel-size": candidate.tensor_parallel,
        "pipeline-parallel-size": candidate.pipeline_parallel,
        "max-num-seqs": candidate.max_num_seqs,
        "max-num-batched-tokens": max(candidate.max_num_batched_tokens, candidate.max_num_seqs),
        "max-model-len": context_length(scenario),
        "dtype": DTYPES.get(model.precision, "bfloat16"),
        "block-size": candidate.block_size,
    }
    if candidate.data_parallel > 1:
        arguments["data-parallel-size"] = candidate.data_parallel
    if candidate.expert_parallel > 1:
        arguments["enable-expert-parallel"] = True
    if device is not DeviceType.CPU:
        arguments["gpu-memory-utilization"] = round(utilization, 4)
    if model.kind is ModelKind.DECODER:
        return {**arguments, **_vllm_decoding(scenario, candidate), **_quantization(model)}
    # a pooled prompt is not cut into chunks, so a step must hold the longest
    return {**arguments, "runner": "pooling", "max-num-batched-tokens": max(arguments["max-num-batched-tokens"], context_length(scenario))}


def _vllm_decoding(scenario: Scenario, candidate: Candidate) -> Arguments:
    arguments: Arguments = {
        "kv-cache-dtype": _kv_dtype(candidate, fp8="fp8_inc" if scenario.device.device_type is DeviceType.HPU else "fp8"),
        "enable-prefix-caching" if candidate.prefix_caching else "no-enable-prefix-caching": True,
        "enable-chunked-prefill" if candidate.chunked_prefill else "no-enable-chunked-prefill": True,
        **_parsers(scenario.engine),
    }
    if scenario.engine.tool_calling_parser:
        arguments["enable-auto-tool-choice"] = True
    return arguments


def _vllm_envs(scenario: Scenario, candidate: Candidate, kv_bytes: float) -> dict[str, str]:
    match scenario.device.device_type:
        case DeviceType.CPU:
            return {"VLLM_CPU_KVCACHE_SPACE": str(max(1, ceil(kv_bytes / GIB))), "VLLM_CPU_OMP_THREADS_BIND": "auto"}
        case DeviceType.HPU if candidate.tensor_parallel > 1:
            return {"PT_HPU_ENABLE_LAZY_COLLECTIVES": "true"}
        case _:
            return {}


def _sglang(scenario: Scenario, candidate: Candidate, static: float) -> Arguments:
    arguments: Arguments = {
        "model-path": scenario.model.model_id,
        "tp-size": candidate.tensor_parallel,
        "pp-size": candidate.pipeline_parallel,
        "max-running-requests": candidate.max_num_seqs,
        "chunked-prefill-size": candidate.max_num_batched_tokens if candidate.chunked_prefill else -1,
        "context-length": context_length(scenario),
        "mem-fraction-static": round(static, 4),
        "dtype": DTYPES.get(scenario.model.precision, "bfloat16"),
        "kv-cache-dtype": _kv_dtype(candidate, fp8="fp8_e4m3"),
        **_parsers(scenario.engine),
        **_quantization(scenario.model),
    }
    if not candidate.prefix_caching:
        arguments["disable-radix-cache"] = True
    return arguments


def _kv_dtype(candidate: Candidate, *, fp8: str) -> str:
    return fp8 if candidate.kv_precision is Precision.FP8 else "auto"


def _quantization(model: ModelSpec) -> Arguments:
    method = model.quantization.method if model.quantization else ""
    return {"quantization": method} if method in ONLINE_QUANTIZATIONS else {}


def _parsers(engine: EngineProfile) -> Arguments:
    named = {"tool-call-parser": engine.tool_calling_parser, "reasoning-parser": engine.reasoning_parser}
    return {flag: name for flag, name in named.items() if name}
