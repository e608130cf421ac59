"""AnalyticMemory: weights, KV cache, activations and overhead from the shape, vectorised over candidates."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from budsim.core.elementwise import Figure, FloatArray, columns, maximum, minimum, rounded_down, rounded_up, where
from budsim.core.engines.candidates import Candidates, Rows, evaluated, row_count
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
from budsim.core.values import light_value

USABLE_SHARE: Final = 0.95  # CONTRACT «Memory, cost»
SMALL_TOTAL_BYTES: Final = 10.0 * GB  # CONTRACT: up to here the buffer is 1 GB, above it 2 GB
SMALL_BUFFER_BYTES: Final = 1.0 * GB
LARGE_BUFFER_BYTES: Final = 2.0 * GB
UTILIZATION: Final = 0.9  # PHYSICS 6: gpu_memory_utilization; a CPU engine has no such share


@light_value
class Fixed:
    """What a replica takes before its first token, per device of the fullest stage. [bytes]"""

    weights_bytes: Figure
    activation_bytes: Figure
    non_torch_bytes: Figure
    graphs_bytes: Figure
    graphs_inside_bytes: Figure

    @property
    def total_bytes(self) -> Figure:
        """All that counts against the share: graphs beside it stand in the buffer."""
        return self.weights_bytes + self.activation_bytes + self.overhead_bytes

    @property
    def overhead_bytes(self) -> Figure:
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
        return evaluated(lambda rows: _plan(scenario, rows), candidates)


def _plan(scenario: Scenario, rows: Rows) -> MemoryPlan:
    sequence = sequence_bytes(scenario, rows, float(scenario.workload.sequence_tokens))
    return plan_of(scenario, rows, fixed=fixed_bytes(scenario, rows), sequence=sequence)


def fixed_bytes(scenario: Scenario, rows: Rows) -> Fixed:
    """Return weights, activations, non-torch memory and graphs of every candidate."""
    return Fixed(
        weights_bytes=stage_weight_bytes(scenario.model, rows),
        activation_bytes=activation_bytes(scenario, rows),
        non_torch_bytes=non_torch_bytes(scenario, rows),
        graphs_bytes=graphs_bytes(scenario, rows),
        graphs_inside_bytes=graphs_inside_bytes(scenario, rows),
    )


def plan_of(scenario: Scenario, rows: Rows, *, fixed: Fixed, sequence: Figure) -> MemoryPlan:
    """Return the plan that follows from the parts, by the contract's rule.

    Args:
        scenario: Model, device, engine and load of a part.
        rows: One candidate, or columns of them.
        fixed: What a replica takes before its first token.
        sequence: KV cache of one planned sequence on one device. [bytes]

    Source:
        CONTRACT «Memory, cost».
    """
    needed = sequence * _running(rows)
    total = fixed.total_bytes + needed
    small, large = _usable_bytes(scenario, SMALL_BUFFER_BYTES), _usable_bytes(scenario, LARGE_BUFFER_BYTES)
    usable = where(total <= SMALL_TOTAL_BYTES, small, large)
    capacity = maximum(0.0, max(large, min(SMALL_TOTAL_BYTES, small)) - fixed.total_bytes)
    held = where(sequence > 0.0, rounded_down(capacity / maximum(sequence, 1.0)), rows.max_num_seqs)
    token = kv_bytes_per_token(scenario.model, tensor_parallel=rows.tensor_parallel, bytes_per_value=rows.kv_width_bytes)
    figures = (
        fixed.weights_bytes,
        needed,
        capacity,
        fixed.activation_bytes,
        fixed.overhead_bytes,
        total,
        usable,
        held * rows.data_parallel,
        stage_share(scenario.model, rows, token),
    )
    return _table_of(columns(figures, row_count(rows)))


def _table_of(column: Sequence[FloatArray]) -> MemoryPlan:
    weights, needed, capacity, activation, overhead, total, usable, held, token = column
    return MemoryPlan(
        weights_bytes=weights,
        kv_needed_bytes=needed,
        kv_capacity_bytes=capacity,
        activation_bytes=activation,
        overhead_bytes=overhead,
        total_bytes=total,
        usable_bytes=usable,
        fits=total < usable,
        max_concurrency=held.astype(np.int64),
        kv_bytes_per_token=token,
    )


def visible_bytes(scenario: Scenario) -> float:
    """Return the memory an engine's utilisation is a share of, on the device or the slice of it. [bytes]"""
    return visible_share(scenario.device) * scenario.memory_bytes


def _running(rows: Rows) -> Figure:
    return rounded_up(minimum(rows.concurrency, rows.max_num_seqs) / rows.data_parallel)


def _usable_bytes(scenario: Scenario, buffer_bytes: float) -> float:
    within = USABLE_SHARE * (scenario.memory_bytes - buffer_bytes)
    return within if scenario.device.device_type is DeviceType.CPU else min(within, UTILIZATION * visible_bytes(scenario))
