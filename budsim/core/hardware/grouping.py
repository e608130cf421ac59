"""A cluster split into hardware groups: free devices of one type and model."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from budsim.core.errors import UnknownDevice
from budsim.core.hardware.availability import Vacancy, vacancy
from budsim.core.hardware.device_types import device_label
from budsim.core.hardware.figures import accelerator_of
from budsim.core.hardware.spec import Accelerator, Cluster, Device, DeviceType, HardwareGroup, HardwareMode, Node, NodeShare

# Devices whose free memory lies in the same eighth of the largest one's share a group, planned on the least of them: every replica
# fits on each device, a nearly full one does not spoil the others, and a model never makes more than eight groups.
MEMORY_BANDS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedDevice:
    """What was left out of the groups, and why; device «-» stands for the whole node, node «-» for the whole cluster."""

    node: str
    device: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """The hardware groups of a cluster, and what is in none."""

    groups: tuple[HardwareGroup, ...]
    rejected: tuple[RejectedDevice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    node: Node
    device: Device
    label: str
    accelerator: Accelerator
    vacancy: Vacancy


def hardware_groups(cluster: Cluster, mode: HardwareMode, *, skip_master_for_cpu: bool = True) -> Grouping:
    """Return the groups of a cluster by device type and model, and everything left out with its reason.

    Args:
        cluster: Topology as reported.
        mode: Whole free devices, or one slice of each shared device.
        skip_master_for_cpu: Leave CPUs of master nodes alone.

    Source:
        CONTRACT «Clusters».
    """
    offers: list[_Offer] = []
    rejected: list[RejectedDevice] = [] if cluster.nodes else [RejectedDevice(node="-", device="-", reason="the cluster reports no nodes")]
    for node in cluster.nodes:
        for found in _of_node(node, mode, skip_master_for_cpu=skip_master_for_cpu):
            match found:
                case _Offer():
                    offers.append(found)
                case RejectedDevice():
                    rejected.append(found)
    return Grouping(groups=tuple(_groups(cluster.id, mode, offers)), rejected=tuple(rejected))


def _of_node(node: Node, mode: HardwareMode, *, skip_master_for_cpu: bool) -> Iterator[_Offer | RejectedDevice]:
    closed = _closed(node)
    if closed:
        yield RejectedDevice(node=node.name, device="-", reason=closed)
        return
    for device in node.devices:
        found = _offer(node, device, mode, skip_master_for_cpu=skip_master_for_cpu)
        yield RejectedDevice(node=node.name, device=device.name, reason=found) if isinstance(found, str) else found


def _closed(node: Node) -> str | None:
    if not node.ready:
        return "the node's status is not true"
    if not node.schedulable:
        return "the node is not schedulable"
    return None if node.devices else "the node reports no devices"


def _offer(node: Node, device: Device, mode: HardwareMode, *, skip_master_for_cpu: bool) -> _Offer | str:
    try:
        label, accelerator = device_label(device), accelerator_of(device, interconnect=node.interconnect)
    except UnknownDevice as error:
        return str(error)
    if accelerator.device_type is DeviceType.CPU and node.is_master and skip_master_for_cpu:
        return "CPUs of master nodes are skipped"
    free = vacancy(device, accelerator, mode)
    if isinstance(free, str):
        return free
    # A plain «gpu» without vendor is what the catalogue says its name is.
    settled = label if accelerator.device_type is DeviceType.CPU else accelerator.device_type.value
    return _Offer(node=node, device=device, label=settled, accelerator=accelerator, vacancy=free)


def _groups(cluster_id: str, mode: HardwareMode, offers: Sequence[_Offer]) -> Iterator[HardwareGroup]:
    by_model: dict[tuple[str, str], list[_Offer]] = {}
    for offer in offers:
        by_model.setdefault((offer.label, offer.accelerator.name), []).append(offer)
    for _, same in sorted(by_model.items()):
        for band in _bands(same):
            yield _group(cluster_id, mode, band)


def _bands(offers: Sequence[_Offer]) -> Iterator[Sequence[_Offer]]:
    """Yield the offers by band of free memory, most memory first."""
    largest = max(offer.vacancy.memory_bytes for offer in offers)
    bands: dict[int, list[_Offer]] = {}
    for offer in offers:
        band = min(MEMORY_BANDS - 1, int(MEMORY_BANDS * offer.vacancy.memory_bytes / largest))
        bands.setdefault(band, []).append(offer)
    for _, band_offers in sorted(bands.items(), reverse=True):
        yield band_offers


def _group(cluster_id: str, mode: HardwareMode, offers: Sequence[_Offer]) -> HardwareGroup:
    # Where nodes send different figures for one model, a replica may land on the slowest.
    slowest = min(
        (offer.accelerator for offer in offers), key=lambda each: (each.bandwidth_bytes_per_s, each.fp16_flop_per_s, each.memory_bytes)
    )
    between = min((offer.accelerator.inter_node for offer in offers), key=lambda link: link.bandwidth_bytes_per_s)
    first = offers[0].device
    return HardwareGroup(
        cluster_id=cluster_id,
        device_label=offers[0].label,
        device_name=first.name,
        accelerator=replace(slowest, inter_node=between),
        mode=mode,
        memory_bytes=min(offer.vacancy.memory_bytes for offer in offers),
        nodes=tuple(_shares(offers)),
        device_model=first.device_model,
        raw_name=first.raw_name,
    )


def _shares(offers: Iterable[_Offer]) -> Iterator[NodeShare]:
    """Yield one share per node: the entries of a node count together, as HAMI sends each GPU by itself."""
    by_node: dict[str, list[_Offer]] = {}
    for offer in offers:
        by_node.setdefault(offer.node.id, []).append(offer)
    for node_id, same in by_node.items():
        devices = sum(offer.vacancy.devices for offer in same)
        named = tuple(offer.device.device_uuid for offer in same if offer.device.device_uuid and offer.vacancy.devices == 1)
        yield NodeShare(
            node_id=node_id, node_name=same[0].node.name, devices=devices, device_ids=named if len(set(named)) == devices else ()
        )
