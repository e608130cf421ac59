"""Hardware groups: the free devices of a cluster by device type and model."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from budsim.core.errors import UnknownDevice
from budsim.core.hardware.device_types import CPU_HIGH, device_type_of, label_of
from budsim.core.hardware.matching import accelerator_of
from budsim.core.hardware.spec import Accelerator, Cluster, Device, DeviceType, HardwareGroup, HardwareMode, Node, NodeShare

BUSY_CORES = 0.05  # CONTRACT «Clusters»: cpu_high is free under 5 % of its cores


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A device that was not grouped, and why."""

    node: str
    device: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """What of a cluster can carry a deployment."""

    groups: tuple[HardwareGroup, ...]
    rejected: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    device: Device
    accelerator: Accelerator
    label: str
    memory_bytes: float
    node: NodeShare


def hardware_groups(cluster: Cluster, mode: HardwareMode, *, skip_master_for_cpu: bool) -> Grouping:
    """Return the groups of a cluster and what was left out.

    Slices of shared devices are grouped with the memory of the smallest, so that a replica fits any of them.
    """
    shares: dict[tuple[str, str], list[_Share]] = {}
    rejected: list[LeftOut] = []
    for node in cluster.nodes:
        for found in _node_shares(node, mode, skip_master_for_cpu=skip_master_for_cpu):
            if isinstance(found, LeftOut):
                rejected.append(found)
            else:
                shares.setdefault((found.label, found.accelerator.name), []).append(found)
    groups = tuple(_group(cluster.id, mode, members) for _, members in sorted(shares.items()))
    return Grouping(groups=groups, rejected=tuple(rejected))


def _node_shares(node: Node, mode: HardwareMode, *, skip_master_for_cpu: bool) -> Iterator[_Share | LeftOut]:
    for device in node.devices:
        reason = _unusable(node, device, mode, skip_master_for_cpu=skip_master_for_cpu)
        if reason:
            yield LeftOut(node=node.name, device=device.name, reason=reason)
            continue
        try:
            yield _share(node, device, mode)
        except UnknownDevice as error:
            yield LeftOut(node=node.name, device=device.name, reason=str(error))


def _unusable(node: Node, device: Device, mode: HardwareMode, *, skip_master_for_cpu: bool) -> str:
    if not node.ready:
        return "the node's status is false"
    if not node.schedulable:
        return "the node is not schedulable"
    is_cpu = device.type.strip().lower().startswith("cpu")
    if is_cpu and node.is_master and skip_master_for_cpu:
        return "CPUs of master nodes are left to the control plane (BUDSIM_SKIP_MASTER_NODE_FOR_CPU)"
    if mode is HardwareMode.SHARED:
        return _no_slice(device, is_cpu=is_cpu)
    return _busy(device)


def _busy(device: Device) -> str:
    """Return why a device is not free as a whole."""
    if device.type.strip().lower() == CPU_HIGH and device.cores:
        share = (device.utilized_cores or 0.0) / device.cores
        return "" if share < BUSY_CORES else f"{share:.0%} of its cores are in use"
    reported = [value for value in (device.core_utilization_percent, device.memory_utilization_percent) if value is not None]
    if reported:
        return "" if not any(reported) else f"utilisation is {' / '.join(f'{value:g} %' for value in reported)}, a dedicated device needs 0"
    return "" if device.available_count > 0 else "no device is free (available_count 0)"


def _no_slice(device: Device, *, is_cpu: bool) -> str:
    if not is_cpu and device.memory_allocated_bytes is None:
        return "shared mode needs memory_allocated_gb, which was not sent"
    return "" if _free_memory(device) is None or (_free_memory(device) or 0) > 0 else "no memory is free"


def _free_memory(device: Device) -> float | None:
    used = device.memory_allocated_bytes if device.memory_allocated_bytes is not None else device.utilized_memory_bytes
    return None if device.memory_bytes is None else device.memory_bytes - (used or 0.0)


def _share(node: Node, device: Device, mode: HardwareMode) -> _Share:
    accelerator = accelerator_of(device)
    memory = accelerator.memory_bytes
    if mode is HardwareMode.SHARED:
        used = device.memory_allocated_bytes if device.memory_allocated_bytes is not None else device.utilized_memory_bytes
        memory = memory - (used or 0.0)
    is_cpu = device_type_of(device) is DeviceType.CPU
    count = max(1, device.sockets or device.available_count) if is_cpu else max(1, device.available_count)
    slices = 1 if device.device_uuid or mode is HardwareMode.SHARED else count
    ids = (device.device_uuid,) if device.device_uuid else ()
    return _Share(
        device=device,
        accelerator=accelerator,
        label=label_of(device),
        memory_bytes=memory,
        node=NodeShare(node_id=node.id, node_name=node.name, devices=slices, device_ids=ids),
    )


def _joined(one: NodeShare, other: NodeShare) -> NodeShare:
    return replace(one, devices=one.devices + other.devices, device_ids=one.device_ids + other.device_ids)


def _group(cluster_id: str, mode: HardwareMode, members: list[_Share]) -> HardwareGroup:
    first = members[0]
    nodes: dict[str, NodeShare] = {}
    for member in members:
        share = member.node
        known = nodes.get(share.node_id)
        nodes[share.node_id] = (
            share
            if known is None
            else replace(known, devices=known.devices + share.devices, device_ids=known.device_ids + share.device_ids)
        )
    return HardwareGroup(
        cluster_id=cluster_id,
        device_label=first.label,
        device_name=first.device.name,
        accelerator=first.accelerator,
        mode=mode,
        memory_bytes=min(member.memory_bytes for member in members),
        nodes=tuple(nodes.values()),
        device_model=first.device.device_model,
        raw_name=first.device.raw_name,
    )
