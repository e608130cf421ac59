"""What an engine takes outside torch, and the graphs it captures."""

from typing import Final

from budsim.core.elementwise import Figure, rounded_up, where
from budsim.core.engines.candidates import Rows
from budsim.core.engines.spec import EngineKind, Scenario
from budsim.core.hardware.spec import DeviceType
from budsim.core.memory.profiling import profiling_of
from budsim.core.units import GB, GIB

CONTEXT_BYTES: Final = 0.5 * GIB  # CUDA context: 0.41 GiB on A100, 0.51 on H100, 0.6 on H200, from vLLM's first snapshots
LINKED_BYTES_PER_S: Final = 100.0 * GB  # NVLink and xGMI lie above, PCIe below
GRAPHS_BYTES: Final = 0.4 * GIB  # fitted with the next to 20 start-ups of vLLM 0.19 on H100: 0.5…1.8 GiB, ±0.3
GRAPHS_BYTES_PER_LAYER: Final = 0.0135 * GIB


def non_torch_bytes(scenario: Scenario, rows: Rows) -> Figure:
    """Return what lies outside torch and is taken off the budget, per device. [bytes]

    Source:
        profiling.csv.
    """
    if _has_none(scenario):
        return 0.0
    release = profiling_of(scenario.engine)
    linked = scenario.device.intra_node.bandwidth_bytes_per_s >= LINKED_BYTES_PER_S
    joined = release.non_torch_linked_bytes if linked else release.non_torch_bus_bytes
    context = CONTEXT_BYTES if release.context_counted else 0.0
    return where(rows.tensor_parallel > 1, joined, release.non_torch_alone_bytes) + context


def graphs_bytes(scenario: Scenario, rows: Rows) -> Figure:
    """Return the CUDA graphs of one device. [bytes]"""
    if _has_none(scenario):
        return 0.0
    return GRAPHS_BYTES + GRAPHS_BYTES_PER_LAYER * rounded_up(scenario.model.layers / rows.pipeline_parallel)


def graphs_inside_bytes(scenario: Scenario, rows: Rows) -> Figure:
    """Return the graphs that count against an engine's share. [bytes]

    vLLM up to 0.20 captures them in what its share leaves free.
    """
    beside = scenario.engine.kind is EngineKind.VLLM and not profiling_of(scenario.engine).graphs_counted
    return 0.0 if beside else graphs_bytes(scenario, rows)


def _has_none(scenario: Scenario) -> bool:
    return scenario.device.device_type is DeviceType.CPU or scenario.engine.kind is EngineKind.LITELLM
