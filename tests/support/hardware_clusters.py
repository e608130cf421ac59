"""Nodes and groups of the tests, short to write."""

from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.spec import Cluster, Device, HardwareGroup, HardwareMode, Node, NodeShare


def cluster(*nodes: Node) -> Cluster:
    return Cluster(id="c1", nodes=nodes)


def node(
    name: str, *devices: Device, ready: bool = True, is_master: bool = False, schedulable: bool = True, interconnect: str | None = None
) -> Node:
    return Node(
        id=f"id-{name}", name=name, ready=ready, devices=devices, is_master=is_master, schedulable=schedulable, interconnect=interconnect
    )


def group(*devices: int, device: str = "H100-SXM-80GB", mode: HardwareMode = HardwareMode.DEDICATED) -> HardwareGroup:
    """Return a group with so many free devices on each node."""
    accelerator = catalogue()[device]
    return HardwareGroup(
        cluster_id="c1",
        device_label=accelerator.device_type.value,
        device_name=device,
        accelerator=accelerator,
        mode=mode,
        memory_bytes=accelerator.memory_bytes,
        nodes=tuple(
            NodeShare(
                node_id=f"id-{index}", node_name=f"n{index}", devices=count, device_ids=tuple(f"gpu-{index}-{i}" for i in range(count))
            )
            for index, count in enumerate(devices)
        ),
    )
