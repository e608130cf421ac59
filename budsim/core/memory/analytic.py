"""AnalyticMemory: weights, KV cache, activations and overhead from the shape, vectorised over candidates."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.engines.spec import Scenario
from budsim.core.hardware.spec import DeviceType
from budsim.core.hardware.visible import visible_share
from budsim.core.memory.activations import activation_bytes
from budsim.core.memory.cache import sequence_bytes
from budsim.core.memory.overheads import graphs_bytes, graphs_inside_bytes, non_torch_bytes
from budsim.core.memory.plan import MemoryPlan
from budsim.core.memory.stages import stage_share, stage_weight_bytes
from budsim.core.model.kv_cache import kv_bytes_per_token
from budsim.core.units import GB

USABLE_SHARE: Final = 0.95  # CONTRACT «Memory, cost»
SMALL_TOTAL_BYTES: Final = 10.0 * GB  # CONTRACT: up to here the buffer is 1 GB, above it 2 GB
SMALL_BUFFER_BYTES: Final = 1.0 * GB
LARGE_BUFFER_BYTES: Final = 2.0 * GB
UTILIZATION: Final = 0.9  # vLLM's default gpu_memory_utilization; a CPU engine has no such share


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """What a replica takes before its first token, per device of the fullest stage, columns of shape (n,). [bytes]"""

    weights_bytes: FloatArray
    activation_bytes: FloatArray
    non_torch_bytes: FloatArray
    graphs_bytes: FloatArray
    graphs_inside_bytes: FloatArray

    @property
    def total_bytes(self) -> FloatArray:
        """All that counts against the share: graphs beside it stand in the buffer."""
        return self.weights_bytes + self.activation_bytes + self.overhead_bytes

    @property
    def overhead_bytes(self) -> FloatArray:
        """Non-torch memory, and graphs where they count."""
        return self.non_torch_bytes + self.graphs_inside_bytes


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
        fixed = fixed_bytes(scenario, candidates)
        sequence = sequence_bytes(scenario, candidates, float(scenario.workload.sequence_tokens))
        return plan_of(scenario, candidates, fixed=fixed, sequence=sequence)


def fixed_bytes(scenario: Scenario, candidates: Candidates) -> Fixed:
    """Return weights, activations, non-torch memory and graphs of every candidate."""
    return Fixed(
        weights_bytes=stage_weight_bytes(scenario.model, candidates),
        activation_bytes=activation_bytes(scenario, candidates),
        non_torch_bytes=non_torch_bytes(scenario, candidates),
        graphs_bytes=graphs_bytes(scenario, candidates),
        graphs_inside_bytes=graphs_inside_bytes(scenario, candidates),
    )


def plan_of(scenario: Scenario, candidates: Candidates, *, fixed: Fixed, sequence: FloatArray) -> MemoryPlan:
    """Return the plan that follows from the parts, by the contract's rule.

    Args:
        scenario: Model, device, engine and load of a part.
        candidates: Columns of shape (n,).
        fixed: What a replica takes before its first token.
        sequence: KV cache of one planned sequence on one device, shape (n,). [bytes]

    Source:
        CONTRACT «Memory, cost».
    """
    needed = sequence * _running(candidates)
    total = fixed.total_bytes + needed
    small, large = _usable_bytes(scenario, SMALL_BUFFER_BYTES), _usable_bytes(scenario, LARGE_BUFFER_BYTES)
    usable = np.where(total <= SMALL_TOTAL_BYTES, small, large)
    capacity = np.maximum(0.0, max(large, min(SMALL_TOTAL_BYTES, small)) - fixed.total_bytes)
    held = np.where(sequence > 0.0, np.floor(capacity / np.maximum(sequence, 1.0)), candidates.max_num_seqs)
    token = kv_bytes_per_token(scenario.model, tensor_parallel=candidates.tensor_parallel, bytes_per_value=candidates.kv_width_bytes)
    return MemoryPlan(
        weights_bytes=fixed.weights_bytes,
        kv_needed_bytes=needed,
        kv_capacity_bytes=capacity,
        activation_bytes=fixed.activation_bytes,
        overhead_bytes=fixed.overhead_bytes,
        total_bytes=total,
        usable_bytes=usable,
        fits=total < usable,
        max_concurrency=(held * candidates.data_parallel).astype(np.int64),
        kv_bytes_per_token=stage_share(scenario.model, candidates, token),
    )


def visible_bytes(scenario: Scenario) -> float:
    """Return the memory an engine's utilisation is a share of, on the device or the slice of it. [bytes]"""
    return visible_share(scenario.device) * scenario.memory_bytes


def _running(candidates: Candidates) -> FloatArray:
    return np.ceil(np.minimum(candidates.concurrency, candidates.max_num_seqs) / candidates.data_parallel)


def _usable_bytes(scenario: Scenario, buffer_bytes: float) -> float:
    within = USABLE_SHARE * (scenario.memory_bytes - buffer_bytes)
    return within if scenario.device.device_type is DeviceType.CPU else min(within, UTILIZATION * visible_bytes(scenario))
