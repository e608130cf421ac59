"""The link between two devices, from the topology: bridge or NVLink, PCIe, sockets, nodes."""

from dataclasses import dataclass
from math import inf
from typing import Final

from budsim.core.elementwise import Figure, where
from budsim.core.hardware.placement import ReplicaPlacement, StagePlacement
from budsim.core.hardware.spec import Accelerator, Link

DEVICES_PER_NODE: Final = 8  # of HGX and OAM boards; a larger NVLink domain says so itself


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkColumns:
    """The link of one candidate, or one for each of n. [bytes/s, s]"""

    bandwidth_bytes_per_s: Figure
    latency_s: Figure


def link_within_node(accelerator: Accelerator, *, devices: int) -> Link:
    """Return the slowest link among so many devices of one node.

    Bridges and NVLink domains join a number of devices; a group that is larger talks over what lies beyond, PCIe. For CPUs it is the
    link between sockets.

    Args:
        accelerator: Model of the devices.
        devices: How many talk to each other. [devices]
    """
    joined, beyond = accelerator.joined_devices, accelerator.beyond
    return accelerator.intra_node if joined is None or beyond is None or devices <= joined else beyond


def links_within_node(accelerator: Accelerator, devices: Figure) -> LinkColumns:
    """Return `link_within_node` for each of n sizes."""
    inside, beyond = accelerator.intra_node, accelerator.beyond or accelerator.intra_node
    is_inside = devices <= (accelerator.joined_devices or inf)
    return LinkColumns(
        bandwidth_bytes_per_s=where(is_inside, inside.bandwidth_bytes_per_s, beyond.bandwidth_bytes_per_s),
        latency_s=where(is_inside, inside.latency_s, beyond.latency_s),
    )


def links_of_groups(accelerator: Accelerator, devices: Figure) -> LinkColumns:
    """Return the slowest link of groups of n sizes: within a node, or between two where a group is larger than node and domain."""
    inside, between = links_within_node(accelerator, devices), accelerator.inter_node
    fits = devices <= max(DEVICES_PER_NODE, accelerator.joined_devices or 0)
    return LinkColumns(
        bandwidth_bytes_per_s=where(fits, inside.bandwidth_bytes_per_s, between.bandwidth_bytes_per_s),
        latency_s=where(fits, inside.latency_s, between.latency_s),
    )


def link_between_stages(accelerator: Accelerator, one: StagePlacement, other: StagePlacement) -> Link:
    """Return the link over which two pipeline stages pass activations: within a node, or between two."""
    if one.node_id != other.node_id:
        return accelerator.inter_node
    return link_within_node(accelerator, devices=one.devices + other.devices)


def hops(accelerator: Accelerator, replica: ReplicaPlacement) -> tuple[Link, ...]:
    """Return the links of a replica's pipeline in order, one fewer than its stages."""
    return tuple(link_between_stages(accelerator, one, other) for one, other in zip(replica.stages[:-1], replica.stages[1:], strict=True))
