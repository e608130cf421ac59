"""Engine knobs a deployment is planned with: the defaults of the engine version, for the device and the model."""

from typing import Final

import numpy as np

from budsim.core.engines.candidates import PRECISION_CODES, Candidate, Candidates, IntArray
from budsim.core.engines.defaults import UNCHUNKED_TOKENS, V1_SINCE, block_tokens, started_sequences, started_step_tokens
from budsim.core.engines.releases import version_key
from budsim.core.engines.spec import EngineKind, Scenario
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.spec import ModelKind, Precision

# a thousand idle sequences cost 4 GB of sampling buffers, so that no more than these are planned beyond the concurrency
SPARE_SEQUENCES: Final = 256


def default_candidates(scenario: Scenario, *, tensor_parallel: IntArray, pipeline_parallel: IntArray, concurrency: IntArray) -> Candidates:
    """Return the candidates of these layouts and loads with the engine version's own defaults.

    Args:
        scenario: Engine and version, device, model and load.
        tensor_parallel: Devices of a stage, shape (n,). [devices]
        pipeline_parallel: Stages, shape (n,).
        concurrency: Users one replica carries, shape (n,).
    """
    kind, device, version = scenario.engine.kind, scenario.device, version_key(scenario.engine.version)
    one = np.ones_like(concurrency)
    sockets = tensor_parallel if device.device_type is DeviceType.CPU else one
    sequences = np.maximum(min(SPARE_SEQUENCES, started_sequences(kind, version, device)) * sockets, concurrency)
    step = started_step_tokens(kind, version, device, context_tokens=scenario.context_tokens) * sockets
    return Candidates(
        tensor_parallel=tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        concurrency=concurrency,
        max_num_seqs=sequences,
        max_num_batched_tokens=np.maximum(np.maximum(step, sequences), least_step_tokens(scenario)),
        block_size=one * block_tokens(kind, version, device, scenario.model),
        chunked_prefill=np.full(len(one), chunks_prompts(scenario)),
        prefix_caching=np.full(len(one), kind is not EngineKind.VLLM or version >= V1_SINCE),
        kv_precision=one * PRECISION_CODES.index(Precision.BF16),
        scheduler_delay_factor=np.zeros(len(one)),
        data_parallel=one,
        expert_parallel=one,
    )


def default_candidate(scenario: Scenario, *, tensor_parallel: int, pipeline_parallel: int, concurrency: int) -> Candidate:
    """Return one of `default_candidates` as a value."""
    tensor, pipeline, users = (np.array([degree], dtype=np.int64) for degree in (tensor_parallel, pipeline_parallel, concurrency))
    return default_candidates(scenario, tensor_parallel=tensor, pipeline_parallel=pipeline, concurrency=users).row(0)


def chunks_prompts(scenario: Scenario) -> bool:
    """Whether the engine cuts long prompts by default: all but vLLM's V0, which does so on CUDA beyond 32,768 tokens of context."""
    if scenario.engine.kind is not EngineKind.VLLM or version_key(scenario.engine.version) >= V1_SINCE:
        return True
    return scenario.context_tokens > UNCHUNKED_TOKENS and scenario.device.device_type is DeviceType.CUDA


def least_step_tokens(scenario: Scenario) -> int:
    """Return what a step must hold: the longest prompt, where it is pooled or the engine does not cut it. [tokens]"""
    if scenario.engine.kind is not EngineKind.VLLM:
        return 1
    whole = scenario.model.kind is not ModelKind.DECODER or not chunks_prompts(scenario)
    return scenario.context_tokens if whole else 1
