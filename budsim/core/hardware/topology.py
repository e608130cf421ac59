"""Which tensor × pipeline layouts the nodes of a group carry, and how many replicas of each."""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Final

from budsim.core.hardware.spec import DeviceType, HardwareGroup, HardwareMode
from budsim.core.remembered import remembered

GROUPS_AT_HAND: Final = 8  # whose sizes of nodes are remembered; a group may have many thousand nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelShape:
    """Tensor × pipeline parallel degrees. [devices, stages]"""

    tensor_parallel: int
    pipeline_parallel: int


def valid_layouts(
    group: HardwareGroup, *, max_tensor_parallel: int | None = None, max_pipeline_parallel: int | None = None
) -> tuple[ParallelShape, ...]:
    """Return every layout that can be placed on a group, tensor parallel first.

    Args:
        group: Free devices by node.
        max_tensor_parallel: Bound of the tensor degree, the largest node's devices when None. [devices]
        max_pipeline_parallel: Bound of the pipeline degree, the number of nodes when None. [stages]
    """
    widest = max((node.devices for node in group.nodes), default=0)
    tensor = min(widest, max_tensor_parallel or widest)
    nodes = _nodes_with_devices(group)
    pipeline = min(nodes, max_pipeline_parallel or nodes)
    return tuple(
        ParallelShape(tensor_parallel=wide, pipeline_parallel=deep)
        for wide in range(1, tensor + 1)
        for deep in range(1, pipeline + 1)
        if is_valid_layout(group, tensor_parallel=wide, pipeline_parallel=deep)
    )


def is_valid_layout(group: HardwareGroup, *, tensor_parallel: int, pipeline_parallel: int) -> bool:
    """Return whether one replica of a layout can be placed.

    The tensor degree stays within a node and the pipeline degree within the number of nodes; every stage finds its devices on one node,
    where several stages may stand. CPUs have no pipeline, shared devices neither.

    Source:
        CONTRACT «Clusters», LLD 6.3.
    """
    if tensor_parallel < 1 or pipeline_parallel < 1 or pipeline_parallel > _nodes_with_devices(group):
        return False
    if group.mode is HardwareMode.SHARED and tensor_parallel * pipeline_parallel != 1:
        return False
    if group.accelerator.device_type is DeviceType.CPU and pipeline_parallel != 1:
        return False
    return _stage_slots(group, tensor_parallel) >= pipeline_parallel


def max_replicas(group: HardwareGroup, *, tensor_parallel: int, pipeline_parallel: int) -> int:
    """Return how many replicas of a layout the nodes hold at once, 0 for an invalid one.

    Exact: a node holds devices // tensor_parallel stages, a stage may stand in any of those places, and a replica takes
    pipeline_parallel of them.
    """
    if not is_valid_layout(group, tensor_parallel=tensor_parallel, pipeline_parallel=pipeline_parallel):
        return 0
    return _stage_slots(group, tensor_parallel) // pipeline_parallel


def model_divides(*, query_heads: int, layers: int, tensor_parallel: int, pipeline_parallel: int) -> bool:
    """Return whether the heads divide over the tensor degree and the layers give every stage at least one."""
    return query_heads % tensor_parallel == 0 and layers >= pipeline_parallel


def _nodes_with_devices(group: HardwareGroup) -> int:
    return sum(nodes for devices, nodes in _node_sizes(group) if devices > 0)


def _stage_slots(group: HardwareGroup, tensor_parallel: int) -> int:
    return sum(devices // tensor_parallel * nodes for devices, nodes in _node_sizes(group))


@partial(remembered, most=GROUPS_AT_HAND)
def _node_sizes(group: HardwareGroup) -> tuple[tuple[int, int], ...]:
    """Return how many nodes have so many devices: a handful of sizes, however many nodes there are."""
    return tuple(Counter(node.devices for node in group.nodes).items())
