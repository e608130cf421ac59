"""clusters.v1, key cluster_id, compacted; null removes the cluster. The same body comes inline in a request."""

from typing import Annotated, ClassVar

from pydantic import Field

from topics.wire import Amount, Event, Identifier, SentModel

_Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0, le=10**6)]


class DeviceBody(SentModel):
    """A device model of a node with its free count, or (HAMI) one physical device."""

    name: Identifier
    type: Annotated[str, Field(min_length=1, max_length=32)]
    available_count: _Count = 1
    mem_per_GPU_in_GB: Amount | None = None
    vendor: Annotated[str, Field(max_length=255)] | None = None
    raw_name: Annotated[str, Field(max_length=255)] | None = None
    device_model: Annotated[str, Field(max_length=255)] | None = None
    device_uuid: Annotated[str, Field(max_length=255)] | None = None
    memory_allocated_gb: Amount | None = None
    core_utilization_percent: _Percent | None = None
    memory_utilization_percent: _Percent | None = None
    cores_allocated_percent: _Percent | None = None
    shared_containers_count: _Count | None = None
    hardware_mode: Annotated[str, Field(max_length=32)] | None = None
    cores: _Count | None = None
    physical_cores: _Count | None = None
    utilized_cores: Amount | None = None
    memory_gb: Amount | None = None
    utilized_memory_gb: Amount | None = None
    sockets: Annotated[int, Field(ge=1, le=64)] | None = None
    hbm_bandwidth_in_GB_per_sec: Amount | None = None
    intra_node_bandwidth_in_GB_per_sec: Amount | None = None
    intra_node_min_message_latency: Amount | None = None
    peak_fp16_TFLOPS: Amount | None = None
    peak_i8_TFLOPS: Amount | None = None
    peak_i4_TFLOPS: Amount | None = None
    inter_node_bandwidth_in_GB_per_sec: Amount | None = None


class NodeBody(SentModel):
    """One host."""

    id: Identifier
    name: Identifier
    status: bool
    is_master: bool = False
    schedulable: bool = True
    interconnect: Annotated[str, Field(max_length=255)] | None = None
    devices: Annotated[list[DeviceBody], Field(max_length=1024)] = []


class ClusterBody(SentModel):
    """One cluster as its reporter sees it."""

    id: Identifier
    version: Annotated[str, Field(max_length=255)] | None = None
    nodes: Annotated[list[NodeBody], Field(max_length=10_000)] = []


class ClusterUpdated(Event, ClusterBody):
    """The topology of a cluster, whole."""

    ce_type: ClassVar[str] = "budsim.cluster.updated.v1"
