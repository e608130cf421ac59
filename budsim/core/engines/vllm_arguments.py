"""How vLLM is started: the flags of its release, at the values that were planned."""

from math import ceil
from typing import Any

from budsim.core.engines.candidates import Candidate
from budsim.core.engines.common_arguments import LORA_RANK, dtype_of, online_quantization, parsers
from budsim.core.engines.defaults import runs_aiter
from budsim.core.engines.flags import NEGATION, has_choice, has_flag, reads_variable
from budsim.core.engines.knobs import least_step_tokens
from budsim.core.engines.releases import Release, accepted, release_of
from budsim.core.engines.spec import Scenario
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.spec import ModelKind, Precision
from budsim.core.units import GIB

_SCORING = "ForSequenceClassification"  # how architectures end whose models compare two texts


def vllm_arguments(scenario: Scenario, candidate: Candidate, *, utilization: float, max_loras: int) -> dict[str, Any]:
    """Return the arguments of `vllm serve`.

    Args:
        scenario: Model, device, engine and load.
        candidate: The planned deployment.
        utilization: Share of a device's memory the engine may take; a CPU has none.
        max_loras: Adapters served at once; 0 = none.
    """
    release = release_of(scenario.engine.kind, scenario.engine.version)
    arguments = _shape(scenario, candidate, release)
    if scenario.device.device_type is not DeviceType.CPU:
        arguments["gpu-memory-utilization"] = round(utilization, 4)
    if scenario.model.kind is not ModelKind.DECODER:
        return {**arguments, **_pooling(scenario, release)}
    adapters = {"enable-lora": True, "max-loras": max_loras, "max-lora-rank": LORA_RANK} if max_loras else {}
    return {**arguments, **_decoding(scenario, candidate, release), **online_quantization(scenario.model), **adapters}


def vllm_variables(scenario: Scenario, candidate: Candidate, *, kv_bytes: float) -> dict[str, str]:
    """Return the environment vLLM is started in.

    Args:
        scenario: Model, device, engine and load.
        candidate: The planned deployment.
        kv_bytes: KV cache planned on one device. [bytes]

    Source:
        vLLM's envs.py and v1/worker/cpu_worker.py; docs.habana.ai, Inference_Using_HPU_Graphs; rocm.docs.amd.com, vLLM V1 performance
        optimization.
    """
    release = release_of(scenario.engine.kind, scenario.engine.version)
    wanted = _device_variables(scenario, candidate, kv_bytes)
    if candidate.scheduler_delay_factor > 0.0:
        wanted["VLLM_USE_V1"] = "0"  # V1 has no such factor
    return {name: value for name, value in wanted.items() if reads_variable(release, name)}


def _device_variables(scenario: Scenario, candidate: Candidate, kv_bytes: float) -> dict[str, str]:
    match scenario.device.device_type:
        case DeviceType.CPU:
            return {
                "VLLM_CPU_KVCACHE_SPACE": str(max(1, ceil(kv_bytes / GIB))),
                "VLLM_CPU_OMP_THREADS_BIND": "auto",
                "VLLM_CPU_NUM_OF_RESERVED_CPU": "1",  # for the API server; without it a single rank binds every core
            }
        case DeviceType.HPU if candidate.tensor_parallel > 1:
            return {"PT_HPU_ENABLE_LAZY_COLLECTIVES": "true"}
        case DeviceType.ROCM if runs_aiter(scenario.device):
            return {"VLLM_ROCM_USE_AITER": "1"}
        case _:
            return {}


def _shape(scenario: Scenario, candidate: Candidate, release: Release) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "model": scenario.model.model_id,
        "tensor-parallel-size": candidate.tensor_parallel,
        "pipeline-parallel-size": candidate.pipeline_parallel,
        "max-num-seqs": candidate.max_num_seqs,
        "max-num-batched-tokens": _step_tokens(scenario, candidate),
        "max-model-len": scenario.context_tokens,
        "dtype": dtype_of(scenario),
        "block-size": candidate.block_size,
    }
    if candidate.data_parallel > 1 and has_flag(release, "data-parallel-size"):
        arguments["data-parallel-size"] = candidate.data_parallel
    if candidate.expert_parallel > 1 and has_flag(release, "enable-expert-parallel"):
        arguments["enable-expert-parallel"] = True
    if candidate.scheduler_delay_factor > 0.0 and has_flag(release, "scheduler-delay-factor"):
        arguments["scheduler-delay-factor"] = candidate.scheduler_delay_factor
    return arguments


def _step_tokens(scenario: Scenario, candidate: Candidate) -> int:
    """Return max_num_batched_tokens: vLLM refuses fewer than its sequences, or than the context where prompts are not cut."""
    whole = scenario.context_tokens if not candidate.chunked_prefill else least_step_tokens(scenario)
    return max(candidate.max_num_batched_tokens, candidate.max_num_seqs, whole)


def _decoding(scenario: Scenario, candidate: Candidate, release: Release) -> dict[str, Any]:
    named = parsers(scenario.engine, release)
    arguments: dict[str, Any] = {
        "kv-cache-dtype": _kv_dtype(scenario, candidate, release),
        **_switch("enable-prefix-caching", candidate.prefix_caching, release),
        **_switch("enable-chunked-prefill", candidate.chunked_prefill, release),
        **named,
    }
    if "tool-call-parser" in named:
        arguments["enable-auto-tool-choice"] = True
    if "reasoning-parser" in named and has_flag(release, "enable-reasoning"):
        arguments["enable-reasoning"] = True
    return arguments


def _switch(flag: str, on: bool, release: Release) -> dict[str, Any]:
    """Return a switch that is on or off; older releases take the word."""
    if has_choice(release, flag, str(on)):
        return {flag: str(on)}
    return {flag if on else NEGATION + flag: True}


def _pooling(scenario: Scenario, release: Release) -> dict[str, Any]:
    """Return how a release is told to pool: --runner since 0.10, --task before."""
    if has_flag(release, "runner"):
        return {"runner": "pooling"}
    scores = any(name.endswith(_SCORING) for name in scenario.model.architectures)
    return {"task": "score" if scores else "embed"}


def _kv_dtype(scenario: Scenario, candidate: Candidate, release: Release) -> str:
    if candidate.kv_precision is not Precision.FP8 or scenario.device.device_type is DeviceType.CPU:
        return "auto"  # platforms/cpu.py raises on anything else where prompts are cut or prefixes kept
    on_gaudi = scenario.device.device_type is DeviceType.HPU and "fp8_inc" in accepted(release)["kv-cache-dtype"]
    return "fp8_inc" if on_gaudi else "fp8"
