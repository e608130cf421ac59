"""Layouts on the real nodes: which are valid, how many replicas find room, and where they stand."""

from dataclasses import dataclass

from budsim.core.hardware.spec import DeviceType, HardwareGroup, HardwareMode, Link, NodeShare


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Devices a stage takes on one node, and stages."""

    tensor_parallel: int
    pipeline_parallel: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaPlacement:
    """Devices one replica takes, by node."""

    shares: tuple[NodeShare, ...]


def valid_layouts(group: HardwareGroup) -> tuple[Shape, ...]:
    """Return every layout the topology allows, fewest devices first."""
    widest = max((node.devices for node in group.nodes), default=0)
    shapes = (
        Shape(tensor_parallel=tensor, pipeline_parallel=pipeline)
        for tensor in range(1, widest + 1)
        for pipeline in range(1, len(group.nodes) + 1)
    )
    valid = [shape for shape in shapes if is_valid_layout(group, shape.tensor_parallel, shape.pipeline_parallel)]
    return tuple(sorted(valid, key=lambda shape: (shape.tensor_parallel * shape.pipeline_parallel, shape.pipeline_parallel)))


def is_valid_layout(group: HardwareGroup, tensor_parallel: int, pipeline_parallel: int) -> bool:
    """Whether every stage finds its devices on one node; stages may share a node.

    Source:
        CONTRACT «Clusters»: TP ≤ devices of a node, PP ≤ nodes with the device, TP·PP ≤ total; CPU and slices do not pipeline.
    """
    if tensor_parallel < 1 or pipeline_parallel < 1 or pipeline_parallel > len(group.nodes):
        return False
    if group.mode is HardwareMode.SHARED and (tensor_parallel, pipeline_parallel) != (1, 1):
        return False
    if group.accelerator.device_type is DeviceType.CPU and pipeline_parallel > 1:
        return False
    return _stages(group, tensor_parallel) >= pipeline_parallel


def max_replicas(group: HardwareGroup, *, tensor_parallel: int, pipeline_parallel: int) -> int:
    """Return how many replicas the nodes hold: stages are interchangeable, so they pack without loss."""
    if not is_valid_layout(group, tensor_parallel, pipeline_parallel):
        return 0
    return _stages(group, tensor_parallel) // pipeline_parallel


def place(group: HardwareGroup, *, tensor_parallel: int, pipeline_parallel: int, replicas: int) -> tuple[ReplicaPlacement, ...]:
    """Return where each replica stands, at most as many as find room; replicas keep to one node while they can."""
    count = min(replicas, max_replicas(group, tensor_parallel=tensor_parallel, pipeline_parallel=pipeline_parallel))
    free = {node.node_id: node.devices // tensor_parallel for node in group.nodes}
    taken = dict.fromkeys(free, 0)
    nodes = {node.node_id: node for node in group.nodes}
    placements = []
    for _ in range(count):
        chosen = _choose(free, pipeline_parallel)
        shares = []
        for node_id, stages in chosen.items():
            node, devices = nodes[node_id], stages * tensor_parallel
            ids = node.device_ids[taken[node_id] : taken[node_id] + devices]
            shares.append(NodeShare(node_id=node_id, node_name=node.node_name, devices=devices, device_ids=ids))
            free[node_id] -= stages
            taken[node_id] += devices
        placements.append(ReplicaPlacement(shares=tuple(shares)))
    return tuple(placements)


def hop_link(group: HardwareGroup, *, tensor_parallel: int, pipeline_parallel: int) -> Link:
    """Return the slowest link between two stages of one replica."""
    placed = place(group, tensor_parallel=tensor_parallel, pipeline_parallel=pipeline_parallel, replicas=1)
    crosses = any(len(replica.shares) > 1 for replica in placed)
    return group.accelerator.inter_node if crosses else group.accelerator.intra_node


def _stages(group: HardwareGroup, tensor_parallel: int) -> int:
    return sum(node.devices // tensor_parallel for node in group.nodes)


def _choose(free: dict[str, int], stages: int) -> dict[str, int]:
    """Return stages by node: the tightest node that takes all, else the roomiest nodes."""
    whole = [node_id for node_id, room in free.items() if room >= stages]
    if whole:
        return {min(whole, key=lambda node_id: (free[node_id], node_id)): stages}
    chosen: dict[str, int] = {}
    left = stages
    for node_id in sorted(free, key=lambda name: (-free[name], name)):
        used = min(left, free[node_id])
        if used:
            chosen[node_id] = used
            left -= used
    return chosen
