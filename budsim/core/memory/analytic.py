"""AnalyticMemory: weights, KV cache, activations and overhead from the shape, vectorised over candidates."""

from typing import Final

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.engines.spec import EngineKind, Scenario
from budsim.core.hardware.spec import DeviceType
from budsim.core.memory.activations import activation_bytes
from budsim.core.memory.plan import MemoryPlan
from budsim.core.memory.stages import stage_share, stage_weight_bytes
from budsim.core.model.kv_cache import kv_bytes_per_sequence, kv_bytes_per_token
from budsim.core.units import GB, GIB

USABLE_SHARE: Final = 0.95  # CONTRACT «Memory, cost»
SMALL_TOTAL_BYTES: Final = 10.0 * GB  # CONTRACT: up to here the buffer is 1 GB, above it 2 GB
SMALL_BUFFER_BYTES: Final = 1.0 * GB
LARGE_BUFFER_BYTES: Final = 2.0 * GB
UTILIZATION: Final = 0.9  # vLLM's default gpu_memory_utilization; a CPU engine has no such share
NON_TORCH_ALONE_BYTES: Final = 0.15 * GIB  # PHYSICS 6: eight H100 measurements with vLLM
NON_TORCH_PARALLEL_BYTES: Final = 0.6 * GIB  # PHYSICS 6, TP ≥ 2
GRAPHS_BYTES: Final = 0.6 * GIB  # PHYSICS 6: −0.9…+1.0 GiB, upper middle


class AnalyticMemory:
    """The memory model of PHYSICS 4–6."""

    def plan(self, scenario: Scenario, candidates: Candidates) -> MemoryPlan:
        """Return where the bytes of the fullest device go, for every candidate.

        Args:
            scenario: Model, device, engine and load of a part.
            candidates: Columns of shape (n,).

        Source:
            PHYSICS 4–6; the fitting rule is CONTRACT «Memory, cost» and LLD 6.4.
        """
        model = scenario.model
        weights = stage_weight_bytes(model, candidates)
        activation = activation_bytes(model, candidates)
        overhead = _overhead_bytes(scenario, candidates)
        fixed = weights + activation + overhead
        sequence = sequence_bytes(scenario, candidates)
        needed = sequence * _running(candidates)
        total = fixed + needed
        usable = np.where(
            total <= SMALL_TOTAL_BYTES, _usable_bytes(scenario, SMALL_BUFFER_BYTES), _usable_bytes(scenario, LARGE_BUFFER_BYTES)
        )
        capacity = np.maximum(0.0, _largest_total_bytes(scenario) - fixed)
        held = np.where(sequence > 0.0, np.floor(capacity / np.maximum(sequence, 1.0)), candidates.max_num_seqs)
        token = kv_bytes_per_token(model, tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes)
        return MemoryPlan(
            weights_bytes=weights,
            kv_needed_bytes=needed,
            kv_capacity_bytes=capacity,
            activation_bytes=activation,
            overhead_bytes=overhead,
            total_bytes=total,
            usable_bytes=usable,
            fits=total < usable,
            max_concurrency=(held * candidates.data_parallel).astype(np.int64),
            kv_bytes_per_token=stage_share(model, candidates, token),
        )


def sequence_bytes(scenario: Scenario, candidates: Candidates) -> FloatArray:
    """Return the KV cache of one planned sequence on one device, rounded up to whole blocks, shape (n,). [bytes]

    Source:
        PHYSICS 5 and 6: ceil(S/block)·block tokens.
    """
    tokens = (np.ceil(scenario.workload.sequence_tokens / candidates.block_size) * candidates.block_size).astype(np.float64)
    whole = kv_bytes_per_sequence(
        scenario.model, tokens=tokens, tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes
    )
    return stage_share(scenario.model, candidates, whole)


def _running(candidates: Candidates) -> FloatArray:
    return np.ceil(np.minimum(candidates.concurrency, candidates.max_num_seqs) / candidates.data_parallel)


def _usable_bytes(scenario: Scenario, buffer_bytes: float) -> float:
    within = USABLE_SHARE * (scenario.memory_bytes - buffer_bytes)
    return within if scenario.device.device_type is DeviceType.CPU else min(within, UTILIZATION * scenario.memory_bytes)


def _largest_total_bytes(scenario: Scenario) -> float:
    """Return the largest total that fits: the buffer grows with it, so a small device may fit more below the step than above."""
    return max(_usable_bytes(scenario, LARGE_BUFFER_BYTES), min(SMALL_TOTAL_BYTES, _usable_bytes(scenario, SMALL_BUFFER_BYTES)))


def _overhead_bytes(scenario: Scenario, candidates: Candidates) -> FloatArray:
    if scenario.device.device_type is DeviceType.CPU or scenario.engine.kind is EngineKind.LITELLM:
        return np.zeros(len(candidates))
    return np.where(candidates.devices > 1, NON_TORCH_PARALLEL_BYTES, NON_TORCH_ALONE_BYTES) + GRAPHS_BYTES
