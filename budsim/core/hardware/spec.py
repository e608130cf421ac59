"""Accelerator, Device, Node, Cluster and HardwareGroup: what a deployment can stand on."""

from dataclasses import dataclass
from enum import StrEnum


class DeviceType(StrEnum):
    """Families engines and models are matched by; every cpu variant is cpu."""

    CUDA = "cuda"
    ROCM = "rocm"
    HPU = "hpu"
    CPU = "cpu"


class HardwareMode(StrEnum):
    """Whole devices, or slices of shared ones."""

    DEDICATED = "dedicated"
    SHARED = "shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One way between two devices: bandwidth per direction and device [bytes/s], latency [s]."""

    bandwidth_bytes_per_s: float
    latency_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """Figures of one device model; a CPU accelerator is one socket.

    Attributes:
        name: Catalogue name, for example «H100-SXM-80GB».
        memory_bytes: What the device reports as usable. [bytes]
        memory_class_gb: Marketed size, the «memory class» of feedback. [GB]
        bandwidth_bytes_per_s: Peak of HBM, GDDR or DDR. [bytes/s]
        fp16_flop_per_s: Dense peak of bf16/fp16 matrix units. [FLOP/s]
        fp8_flop_per_s: Dense peak, None without that path. [FLOP/s]
        int8_flop_per_s: Dense peak, None without that path. [op/s]
        int4_flop_per_s: Dense peak, None without that path. [op/s]
        fp4_flop_per_s: Dense peak, None without that path. [FLOP/s]
        intra_node: Link to a device of the same node; of a CPU, to another socket.
        inter_node: Link to a device of another node.
        joined_devices: How many devices of a node `intra_node` joins, None for all of them. [devices]
        beyond: Link between devices of a node that `intra_node` does not join.
        usd_per_hour: List price of one device, None when unknown. [$/h]
        source: Where the figures come from.
    """

    name: str
    device_type: DeviceType
    vendor: str
    memory_bytes: float
    memory_class_gb: int
    bandwidth_bytes_per_s: float
    fp16_flop_per_s: float
    intra_node: Link
    inter_node: Link
    joined_devices: int | None = None
    beyond: Link | None = None
    fp8_flop_per_s: float | None = None
    int8_flop_per_s: float | None = None
    int4_flop_per_s: float | None = None
    fp4_flop_per_s: float | None = None
    tdp_w: float | None = None
    usd_per_hour: float | None = None
    cores: int | None = None
    source: str = "sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One entry of a node: a device model with its free count, or (HAMI) one physical device.

    Figures the cluster sent win over the catalogue; None means not sent. Fractions are 0…100 %.
    """

    name: str
    type: str  # as sent: cuda, rocm, hpu, cpu, cpu_high, gpu
    available_count: int
    memory_bytes: float | None = None
    vendor: str | None = None
    raw_name: str | None = None
    device_model: str | None = None
    device_uuid: str | None = None
    memory_allocated_bytes: float | None = None
    core_utilization_percent: float | None = None
    memory_utilization_percent: float | None = None
    cores_allocated_percent: float | None = None
    shared_containers_count: int | None = None
    cores: int | None = None
    physical_cores: int | None = None
    utilized_cores: float | None = None
    utilized_memory_bytes: float | None = None
    sockets: int | None = None
    bandwidth_bytes_per_s: float | None = None
    intra_node_bandwidth_bytes_per_s: float | None = None
    intra_node_latency_s: float | None = None
    inter_node_bandwidth_bytes_per_s: float | None = None
    fp16_flop_per_s: float | None = None
    int8_flop_per_s: float | None = None
    int4_flop_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One host."""

    id: str
    name: str
    ready: bool
    devices: tuple[Device, ...]
    is_master: bool = False
    schedulable: bool = True
    interconnect: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Nodes that one deployment may span."""

    id: str
    nodes: tuple[Node, ...]
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShare:
    """What one node gives to a group: whole free devices, or (shared) one slice per device.

    Attributes:
        device_ids: One per device where the cluster named them, else empty.
    """

    node_id: str
    node_name: str
    devices: int
    device_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareGroup:
    """Free devices of one type and model in one cluster: what one part is planned on.

    Attributes:
        device_label: The type as sent (cpu_high stays cpu_high); engines see `accelerator.device_type`.
        device_name: The device's name as sent.
        memory_bytes: Memory one replica may use on one device: less than the accelerator's on slices.
        reported_memory: Whether the cluster sent the memory figure.
    """

    cluster_id: str
    device_label: str
    device_name: str
    accelerator: Accelerator
    mode: HardwareMode
    memory_bytes: float
    nodes: tuple[NodeShare, ...]
    device_model: str | None = None
    raw_name: str | None = None

    @property
    def total_devices(self) -> int:
        """Free devices of the group."""
        return sum(node.devices for node in self.nodes)

    @property
    def key(self) -> str:
        """Unit of order and state: cluster_id|device_type."""
        return f"{self.cluster_id}|{self.device_label}"
