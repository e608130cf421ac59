"""Cluster bodies ⇄ clusters: GB, TFLOPS and GB/s at the edge, SI inside."""

from budsim.core.errors import InvalidInput
from budsim.core.hardware.spec import Cluster, Device, Node
from budsim.core.units import GB, TERA, US_PER_S
from topics.clusters import ClusterBody, DeviceBody, NodeBody


def cluster_from_body(body: ClusterBody) -> Cluster:
    """Return the topology a body describes."""
    return Cluster(id=body.id, version=body.version, nodes=tuple(_node(node) for node in body.nodes))


def reported_cluster(body: ClusterBody, key: bytes | None) -> Cluster:
    """Return the topology of a message.

    Raises:
        InvalidInput: The message is keyed by something else, so that compaction and removal would miss it.
    """
    if key is not None and key != body.id.encode():
        raise InvalidInput(
            f"id = {body.id!r} came under the key {key.decode('utf-8', 'replace')!r};", param="id", remedy="send the id as the message key"
        )
    return cluster_from_body(body)


def _node(body: NodeBody) -> Node:
    return Node(
        id=body.id,
        name=body.name,
        ready=body.status,
        is_master=body.is_master,
        schedulable=body.schedulable,
        interconnect=body.interconnect,
        devices=tuple(_device(device) for device in body.devices),
    )


def _device(body: DeviceBody) -> Device:
    memory_gb = body.mem_per_GPU_in_GB or body.memory_gb
    return Device(
        name=body.name,
        type=body.type,
        available_count=body.available_count,
        memory_bytes=_scaled(memory_gb, GB),
        vendor=body.vendor,
        raw_name=body.raw_name,
        device_model=body.device_model,
        device_uuid=body.device_uuid,
        memory_allocated_bytes=None if body.memory_allocated_gb is None else body.memory_allocated_gb * GB,
        core_utilization_percent=body.core_utilization_percent,
        memory_utilization_percent=body.memory_utilization_percent,
        cores_allocated_percent=body.cores_allocated_percent,
        shared_containers_count=body.shared_containers_count,
        cores=body.cores,
        physical_cores=body.physical_cores,
        utilized_cores=body.utilized_cores,
        utilized_memory_bytes=None if body.utilized_memory_gb is None else body.utilized_memory_gb * GB,
        sockets=body.sockets,
        bandwidth_bytes_per_s=_scaled(body.hbm_bandwidth_in_GB_per_sec, GB),
        intra_node_bandwidth_bytes_per_s=_scaled(body.intra_node_bandwidth_in_GB_per_sec, GB),
        intra_node_latency_s=_scaled(body.intra_node_min_message_latency, 1 / US_PER_S),
        inter_node_bandwidth_bytes_per_s=_scaled(body.inter_node_bandwidth_in_GB_per_sec, GB),
        fp16_flop_per_s=_scaled(body.peak_fp16_TFLOPS, TERA),
        int8_flop_per_s=_scaled(body.peak_i8_TFLOPS, TERA),
        int4_flop_per_s=_scaled(body.peak_i4_TFLOPS, TERA),
    )


def _scaled(value: float | None, factor: float) -> float | None:
    """Return SI, None for a figure that was not sent or is 0."""
    return value * factor if value else None


def body_from_cluster(cluster: Cluster) -> ClusterBody:
    """Return the body that describes a topology."""
    return ClusterBody(id=cluster.id, version=cluster.version, nodes=[_node_body(node) for node in cluster.nodes])


def _node_body(node: Node) -> NodeBody:
    return NodeBody(
        id=node.id,
        name=node.name,
        status=node.ready,
        is_master=node.is_master,
        schedulable=node.schedulable,
        interconnect=node.interconnect,
        devices=[_device_body(device) for device in node.devices],
    )


def _device_body(device: Device) -> DeviceBody:
    memory = "memory_gb" if device.type.lower().startswith("cpu") else "mem_per_GPU_in_GB"
    return DeviceBody.model_validate(
        {
            "name": device.name,
            "type": device.type,
            "available_count": device.available_count,
            memory: _shrunk(device.memory_bytes, GB),
            "vendor": device.vendor,
            "raw_name": device.raw_name,
            "device_model": device.device_model,
            "device_uuid": device.device_uuid,
            "memory_allocated_gb": _shrunk(device.memory_allocated_bytes, GB),
            "core_utilization_percent": device.core_utilization_percent,
            "memory_utilization_percent": device.memory_utilization_percent,
            "cores_allocated_percent": device.cores_allocated_percent,
            "shared_containers_count": device.shared_containers_count,
            "cores": device.cores,
            "physical_cores": device.physical_cores,
            "utilized_cores": device.utilized_cores,
            "utilized_memory_gb": _shrunk(device.utilized_memory_bytes, GB),
            "sockets": device.sockets,
            "hbm_bandwidth_in_GB_per_sec": _shrunk(device.bandwidth_bytes_per_s, GB),
            "intra_node_bandwidth_in_GB_per_sec": _shrunk(device.intra_node_bandwidth_bytes_per_s, GB),
            "intra_node_min_message_latency": _shrunk(device.intra_node_latency_s, 1 / US_PER_S),
            "peak_fp16_TFLOPS": _shrunk(device.fp16_flop_per_s, TERA),
            "peak_i8_TFLOPS": _shrunk(device.int8_flop_per_s, TERA),
            "peak_i4_TFLOPS": _shrunk(device.int4_flop_per_s, TERA),
            "inter_node_bandwidth_in_GB_per_sec": _shrunk(device.inter_node_bandwidth_bytes_per_s, GB),
        }
    )


def _shrunk(value: float | None, factor: float) -> float | None:
    """Return the figure in edge units, rounded to what was sent."""
    return None if value is None else float(f"{value / factor:.12g}")
