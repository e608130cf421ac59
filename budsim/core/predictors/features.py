"""What a trained model reads of a candidate: its layout and load, model, device and engine, and how physics splits its time."""

import re
from collections.abc import Mapping
from math import log, nan
from typing import Final

import numpy as np

from budsim.core.elementwise import Figure, FloatArray
from budsim.core.engines.candidates import Candidates
from budsim.core.engines.spec import EngineProfile, Scenario
from budsim.core.hardware.spec import Accelerator, DeviceType
from budsim.core.latency.generations import runs_eagerly
from budsim.core.latency.scheduler import Latency
from budsim.core.model.kv_cache import kv_bytes_per_token
from budsim.core.model.parameters import active_parameter_count, parameter_count
from budsim.core.model.spec import AttentionKind, ModelSpec
from budsim.core.model.weights import weight_bytes
from budsim.core.remembered import remembered
from budsim.core.workload import LoadMode, Workload

ENGINES: Final = ("vllm", "sglang", "tensorrt-llm", "tgi", "atom")  # servers with rows of their own in the data
_NUMBER: Final = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
LARGEST_MAJOR: Final = 1000  # a «version» beyond is a date
SMALLEST: Final = 1e-9

LAYOUT: Final = ("tensor_parallel", "pipeline_parallel", "data_parallel", "expert_parallel")
KNOBS: Final = ("max_num_seqs", "max_num_batched_tokens", "chunked_prefill", "kv_width_bytes")
LOAD: Final = ("users_per_rank", "running", "input_tokens", "output_tokens", "rounds", "static_batch", "open_loop", "median")
MODEL: Final = (
    "active_parameters",
    "total_parameters",
    "weight_bytes",
    "layers",
    "hidden_size",
    "kv_bytes_per_token",
    "kv_heads",
    "experts",
    "experts_per_token",
    "latent_attention",
    "state_layers",
    "windowed_layers",
    "weight_bits",
    "activation_bytes",
    "experts_only",
    "eager",
)
DEVICE: Final = ("memory_bytes", "bandwidth", "fp16", "fp8", "fp4", "link_bandwidth", "is_cuda", "is_rocm")
ENGINE: Final = (*(f"engine_{name}" for name in ENGINES), "engine_version")
ANALYTIC: Final = (
    "analytic_ttft",
    "analytic_tpot",
    "queue_share",
    "prefill_share",
    "communication_share",
    "overhead_share",
    "bandwidth_share",
    "step_operators",
    "ttft_steps",
    "weights_share",
    "prompt_tokens_running",
)
GIVEN: Final = (*LAYOUT, *KNOBS, *LOAD, *MODEL, *DEVICE, *ENGINE)
FEATURES: tuple[str, ...] = (*GIVEN, *ANALYTIC)


def features_of(scenario: Scenario, candidates: Candidates, latency: Latency, *, median: bool = False) -> FloatArray:
    """Return what a trained model reads, shape (n, len(FEATURES)); sizes and times as natural logarithms, what is not known as NaN.

    Args:
        scenario: Model, device, engine and load.
        candidates: Columns of shape (n,).
        latency: Their analytic latencies.
        median: Whether medians over requests are asked for, as some sources publish them, instead of means.
    """
    analytic = analytic_features(latency, weights_s=weights_s(scenario, candidates), input_tokens=float(scenario.workload.input_tokens))
    return joined(given_features(scenario, candidates, median=median), analytic)


def joined(given: FloatArray, analytic: FloatArray) -> FloatArray:
    """Return all features from the two parts, in the order of FEATURES."""
    return np.concatenate([given, analytic], axis=1)


def given_features(scenario: Scenario, candidates: Candidates, *, median: bool = False) -> FloatArray:
    """Return the features that no prediction enters, shape (n, len(GIVEN))."""
    found = np.tile(_shared(scenario), (len(candidates), 1))
    columns = {**_layout(candidates), **_users(candidates), "kv_bytes_per_token": _kv_bytes(scenario, candidates), "median": float(median)}
    for name, column in columns.items():
        found[:, GIVEN.index(name)] = column
    return found


@remembered
def _shared(scenario: Scenario) -> FloatArray:
    """Return what all candidates of a scenario share, shape (len(GIVEN),), the rest NaN."""
    known = {**_load(scenario.workload), **_model(scenario.model, scenario.engine), **_device(scenario.device), **_engine(scenario.engine)}
    return np.array([known.get(name, nan) for name in GIVEN], dtype=np.float64)


def weights_s(scenario: Scenario, candidates: Candidates) -> FloatArray:
    """Return the time that reading all weights once takes at peak bandwidth, shape (n,). [s]"""
    return np.asarray(weight_bytes(scenario.model) / (candidates.tensor_parallel * scenario.device.bandwidth_bytes_per_s))


def analytic_features(latency: Latency, *, weights_s: FloatArray, input_tokens: Figure) -> FloatArray:
    """Return the features that the analytic latencies give, shape (n, len(ANALYTIC)).

    Args:
        latency: Of candidates of one scenario, or of unlike runs below each other.
        weights_s: What reading all weights once takes, shape (n,). [s]
        input_tokens: Prompt length, one for all or one a run. [tokens]
    """
    step = latency.step
    whole = np.maximum(step.total_s, SMALLEST)
    operators = np.maximum(step.operators_s, SMALLEST)
    columns: dict[str, Figure] = {
        "analytic_ttft": _log(latency.ttft_s),
        "analytic_tpot": _log(latency.tpot_s),
        "queue_share": latency.queue_s / np.maximum(latency.ttft_s, SMALLEST),
        "prefill_share": latency.prefill_share,
        "communication_share": step.communication_s / whole,
        "overhead_share": step.overhead_s / whole,
        "bandwidth_share": step.bandwidth_s / np.maximum(step.compute_s + step.bandwidth_s, SMALLEST),
        "step_operators": _log(operators),
        "ttft_steps": _log(latency.ttft_s / np.maximum(latency.tpot_s, SMALLEST)),
        "weights_share": _log(weights_s / operators),
        "prompt_tokens_running": _log(latency.running * input_tokens),
    }
    return _stacked(columns, ANALYTIC, len(weights_s))


def version_number(version: str) -> float:
    """Return a release as a number that later releases exceed, NaN where it cannot be read."""
    found = _NUMBER.search(version)
    if found is None:
        return nan
    major, minor, patch = (int(part or 0) for part in found.groups())
    return nan if major >= LARGEST_MAJOR else major * 100.0 + minor + patch / 100.0


def _layout(candidates: Candidates) -> Mapping[str, Figure]:
    return {
        "tensor_parallel": _log(candidates.tensor_parallel),
        "pipeline_parallel": _log(candidates.pipeline_parallel),
        "data_parallel": _log(candidates.data_parallel),
        "expert_parallel": _log(candidates.expert_parallel),
        "max_num_seqs": _log(candidates.max_num_seqs),
        "max_num_batched_tokens": _log(candidates.max_num_batched_tokens),
        "chunked_prefill": candidates.chunked_prefill.astype(np.float64),
        "kv_width_bytes": candidates.kv_width_bytes,
    }


def _users(candidates: Candidates) -> Mapping[str, Figure]:
    users = np.ceil(candidates.concurrency / candidates.data_parallel)
    return {"users_per_rank": _log(users), "running": _log(np.minimum(users, candidates.max_num_seqs))}


def _kv_bytes(scenario: Scenario, candidates: Candidates) -> FloatArray:
    per_token = kv_bytes_per_token(scenario.model, tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes)
    return _log(per_token)


def _load(workload: Workload) -> Mapping[str, float]:
    return {
        "input_tokens": log(workload.input_tokens),
        "output_tokens": log(workload.output_tokens),
        "rounds": log(workload.requests_per_user),
        "static_batch": float(workload.mode is LoadMode.STATIC_BATCH),
        "open_loop": float(workload.mode is LoadMode.OPEN_LOOP),
    }


def _model(model: ModelSpec, engine: EngineProfile) -> Mapping[str, float]:
    stored, layers = model.quantization, model.layers
    experts = max((block.feed_forward.experts for block in model.blocks), default=0)
    attention = [(block.count, block.attention) for block in model.blocks]
    return {
        "active_parameters": _log_of(active_parameter_count(model)),
        "total_parameters": _log_of(parameter_count(model)),
        "weight_bytes": _log_of(weight_bytes(model)),
        "layers": log(layers),
        "hidden_size": log(model.hidden_size),
        "kv_heads": float(max((mixer.kv_heads for _, mixer in attention), default=0)),
        "experts": float(experts),
        "experts_per_token": float(max((block.feed_forward.experts_per_token for block in model.blocks), default=0)),
        "latent_attention": float(any(mixer.kind is AttentionKind.MLA for _, mixer in attention)),
        "state_layers": sum(count for count, mixer in attention if mixer.kind is AttentionKind.STATE) / layers,
        "windowed_layers": sum(count for count, mixer in attention if mixer.window) / layers,
        "weight_bits": stored.weight_bits if stored else 8.0 * model.precision.bytes,
        "activation_bytes": stored.activation.bytes if stored else model.precision.bytes,
        "experts_only": float(bool(stored and stored.experts_only)),
        "eager": float(runs_eagerly(engine.served_by, model)),
    }


def _device(device: Accelerator) -> Mapping[str, float]:
    return {
        "memory_bytes": _log_of(device.memory_bytes),
        "bandwidth": _log_of(device.bandwidth_bytes_per_s),
        "fp16": _log_of(device.fp16_flop_per_s),
        "fp8": _log_of(device.fp8_flop_per_s or nan),
        "fp4": _log_of(device.fp4_flop_per_s or nan),
        "link_bandwidth": _log_of(device.intra_node.bandwidth_bytes_per_s),
        "is_cuda": float(device.device_type is DeviceType.CUDA),
        "is_rocm": float(device.device_type is DeviceType.ROCM),
    }


def _engine(engine: EngineProfile) -> Mapping[str, float]:
    names = {f"engine_{name}": float(engine.served_by == name) for name in ENGINES}
    return {**names, "engine_version": version_number(engine.version)}


def _log_of(value: float) -> float:
    return log(max(value, SMALLEST)) if value == value else nan  # noqa: PLR0124


def _log(value: Figure) -> FloatArray:
    return np.asarray(np.log(np.maximum(value, SMALLEST)))


def _stacked(columns: Mapping[str, Figure], names: tuple[str, ...], count: int) -> FloatArray:
    found = np.empty((count, len(names)), dtype=np.float64)
    for index, name in enumerate(names):
        found[:, index] = columns[name]
    return found
