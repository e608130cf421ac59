"""The figures of a sent device: the catalogue's, overlaid by what the cluster sent."""

from dataclasses import replace
from typing import Final

from budsim.core.errors import UnknownDevice
from budsim.core.hardware.catalogue import links
from budsim.core.hardware.device_types import device_type
from budsim.core.hardware.interconnects import named_interconnect
from budsim.core.hardware.matching import match, near_known_size, refuse_mig
from budsim.core.hardware.spec import Accelerator, Device, DeviceType, Link
from budsim.core.units import GB

# Links of a device nobody knows, where the cluster sent none: the slowest that such devices are sold with today.
_UNKNOWN_INTRA_NODE: Final = "pcie4"
_UNKNOWN_INTER_NODE: Final = "eth-100"


def accelerator_of(device: Device, *, interconnect: str | None = None) -> Accelerator:
    """Return the figures of one device; of a CPU, those of one socket.

    Sent figures win over the catalogue, but a sent memory near the size of the known device is read as that size. A device the
    catalogue does not know is built from the sent figures when they are complete.

    Args:
        device: One entry of a node. The memory of a CPU entry that names its sockets is that of the host.
        interconnect: What joins its node to others, as the cluster words it.

    Raises:
        UnknownDevice: A MIG slice, or an unknown device without memory, bandwidth and fp16 peak; the message names those missing.
    """
    refuse_mig(device)
    known = match(device)
    if known is None:
        return _from_sent_alone(device, interconnect)
    sent = _sent_memory(device)
    if sent is None and not known.memory_bytes:
        raise _missing(device, ("memory_gb",))
    memory = known.memory_bytes if sent is None or near_known_size(sent, known) else sent
    overlaid = _overlay(
        replace(known, memory_bytes=memory, memory_class_gb=known.memory_class_gb or round(memory / GB)), device, interconnect
    )
    return overlaid if overlaid == known else replace(overlaid, source=f"sent by the cluster over: {known.source}")


def _sent_memory(device: Device) -> float | None:
    if not device.memory_bytes:
        return None
    return device.memory_bytes / sockets_sharing(device)


def sockets_sharing(device: Device) -> int:
    """Return how many sockets share the memory figure of an entry; 1 for anything but a CPU."""
    return (device.sockets or 1) if device_type(device) is DeviceType.CPU else 1


def _overlay(known: Accelerator, device: Device, interconnect: str | None) -> Accelerator:
    is_link_sent = device.intra_node_bandwidth_bytes_per_s is not None
    within = _link(known.intra_node, device.intra_node_bandwidth_bytes_per_s, device.intra_node_latency_s)
    between = named_interconnect(interconnect, within_node=within) or known.inter_node
    return replace(
        known,
        bandwidth_bytes_per_s=device.bandwidth_bytes_per_s or known.bandwidth_bytes_per_s,
        fp16_flop_per_s=device.fp16_flop_per_s or known.fp16_flop_per_s,
        int8_flop_per_s=device.int8_flop_per_s or known.int8_flop_per_s,
        int4_flop_per_s=device.int4_flop_per_s or known.int4_flop_per_s,
        intra_node=within,
        joined_devices=None if is_link_sent else known.joined_devices,
        beyond=None if is_link_sent else known.beyond,
        inter_node=_link(between, device.inter_node_bandwidth_bytes_per_s, None),
    )


def _link(known: Link, bandwidth_bytes_per_s: float | None, latency_s: float | None) -> Link:
    return Link(
        bandwidth_bytes_per_s=bandwidth_bytes_per_s or known.bandwidth_bytes_per_s,
        latency_s=known.latency_s if latency_s is None else latency_s,
    )


def _from_sent_alone(device: Device, interconnect: str | None) -> Accelerator:
    memory, bandwidth, peak = _complete(device)
    plain = Accelerator(
        name=device.device_model or device.raw_name or device.name,
        device_type=device_type(device),
        vendor=device.vendor or "unknown",
        memory_bytes=memory,
        memory_class_gb=round(memory / GB),
        bandwidth_bytes_per_s=bandwidth,
        fp16_flop_per_s=peak,
        intra_node=links()[_UNKNOWN_INTRA_NODE],
        inter_node=links()[_UNKNOWN_INTER_NODE],
        cores=device.physical_cores or device.cores,
        source="sent by the cluster",
    )
    return _overlay(plain, device, interconnect)


def _complete(device: Device) -> tuple[float, float, float]:
    """Return memory [bytes], bandwidth [bytes/s] and fp16 peak [FLOP/s]."""
    memory, bandwidth, peak = _sent_memory(device), device.bandwidth_bytes_per_s, device.fp16_flop_per_s
    if memory and bandwidth and peak:
        return memory, bandwidth, peak
    figures = {"mem_per_GPU_in_GB": memory, "hbm_bandwidth_in_GB_per_sec": bandwidth, "peak_fp16_TFLOPS": peak}
    raise _missing(device, tuple(name for name, value in figures.items() if not value))


def _missing(device: Device, figures: tuple[str, ...]) -> UnknownDevice:
    name = device.raw_name or device.device_model or device.name
    return UnknownDevice(
        f"device «{name}» of type {device.type} is not settled by the catalogue, and {', '.join(figures)} was not sent.",
        param="devices",
        remedy=f"Send {', '.join(figures)}, or a raw_name the catalogue knows.",
    )
