"""The link between two devices, from the topology: bridge or NVLink, PCIe, sockets, nodes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from budsim.core.hardware.placement import ReplicaPlacement, StagePlacement
from budsim.core.hardware.spec import Accelerator, Link


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkColumns:
    """One link for each of n candidates, both of shape (n,)."""

    bandwidth_bytes_per_s: NDArray[np.float64]
    latency_s: NDArray[np.float64]


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


def links_within_node(accelerator: Accelerator, devices: NDArray[np.int64]) -> LinkColumns:
    """Return `link_within_node` for each of n sizes, shape (n,)."""
    inside, beyond = accelerator.intra_node, accelerator.beyond or accelerator.intra_node
    is_inside = devices <= (accelerator.joined_devices or np.inf)
    return LinkColumns(
        bandwidth_bytes_per_s=np.where(is_inside, inside.bandwidth_bytes_per_s, beyond.bandwidth_bytes_per_s),
        latency_s=np.where(is_inside, inside.latency_s, beyond.latency_s),
    )


def link_between_stages(accelerator: Accelerator, one: StagePlacement, other: StagePlacement) -> Link:
    """Return the link over which two pipeline stages pass activations: within a node, or between two."""
    if one.node_id != other.node_id:
        return accelerator.inter_node
    return link_within_node(accelerator, devices=one.devices + other.devices)


def hops(accelerator: Accelerator, replica: ReplicaPlacement) -> tuple[Link, ...]:
    """Return the links of a replica's pipeline in order, one fewer than its stages."""
    return tuple(link_between_stages(accelerator, one, other) for one, other in zip(replica.stages[:-1], replica.stages[1:], strict=True))
