"""What of one entry is free: how many devices, how much memory, or why none."""

from dataclasses import dataclass
from typing import Final

from budsim.core.hardware.device_types import is_cpu_high
from budsim.core.hardware.figures import sockets_sharing
from budsim.core.hardware.spec import Accelerator, Device, DeviceType, HardwareMode
from budsim.core.units import GB

# CONTRACT «Clusters»: a cpu_high is free while fewer than this share of its cores is used. [%]
CPU_HIGH_BUSY_PERCENT: Final = 5
# No board carries more sockets: a greater count without `sockets` counts something else, such as cores.
_MOST_SOCKETS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Vacancy:
    """Free devices of one entry, each with so much free memory. [bytes]"""

    devices: int
    memory_bytes: float


def vacancy(device: Device, accelerator: Accelerator, mode: HardwareMode) -> Vacancy | str:
    """Return what an entry offers in a mode, or the reason why it offers nothing.

    Args:
        device: The entry as sent.
        accelerator: Its figures; of a CPU, those of one socket.
        mode: Whole devices, or one slice of each.
    """
    is_cpu = accelerator.device_type is DeviceType.CPU
    reason = (_cpu_refusal(device, mode) if is_cpu else _gpu_refusal(device, mode)) or _memory_refusal(device, accelerator)
    if reason:
        return reason
    return Vacancy(devices=_cpu_count(device) if is_cpu else _gpu_count(device, mode), memory_bytes=_free_memory(device, accelerator))


def _cpu_refusal(device: Device, mode: HardwareMode) -> str | None:
    if device.sockets is None and device.available_count > _MOST_SOCKETS:
        return f"available_count {device.available_count} is no count of sockets: send sockets"
    if mode is HardwareMode.SHARED:
        return None
    return _cpu_high_refusal(device) if is_cpu_high(device) else _count_refusal(device)


def _cpu_high_refusal(device: Device) -> str | None:
    cores = device.cores or device.physical_cores
    if not cores or device.utilized_cores is None:
        return _count_refusal(device)
    busy = 100 * device.utilized_cores >= CPU_HIGH_BUSY_PERCENT * cores
    return f"{device.utilized_cores:g} of {cores} cores are used, {CPU_HIGH_BUSY_PERCENT} % or more" if busy else None


def _gpu_refusal(device: Device, mode: HardwareMode) -> str | None:
    if mode is HardwareMode.SHARED:
        missing = device.memory_allocated_bytes is None
        return "memory_allocated_gb is not reported, without which a device cannot be shared" if missing else None
    used = {"core": device.core_utilization_percent, "memory": device.memory_utilization_percent}
    if all(percent is None for percent in used.values()):
        return _count_refusal(device)
    busy = ", ".join(f"{name} utilisation {percent:g} %" for name, percent in used.items() if percent)
    return f"in use: {busy}" if busy else None


def _count_refusal(device: Device) -> str | None:
    return None if device.available_count > 0 else "available_count is 0"


def _memory_refusal(device: Device, accelerator: Accelerator) -> str | None:
    if _free_memory(device, accelerator) > 0:
        return None
    return f"no memory is free of {accelerator.memory_bytes / GB:.0f} GB"


def _free_memory(device: Device, accelerator: Accelerator) -> float:
    """Only the memory of a partly used device shrinks, its other figures stay those of the whole."""
    if accelerator.device_type is DeviceType.CPU:
        return accelerator.memory_bytes - (device.utilized_memory_bytes or 0.0) / sockets_sharing(device)
    return accelerator.memory_bytes - (device.memory_allocated_bytes or 0.0)


def _cpu_count(device: Device) -> int:
    """A CPU device is a socket; an idle cpu_high or a shared host offers its sockets whatever its count."""
    return device.sockets or max(1, device.available_count)


def _gpu_count(device: Device, mode: HardwareMode) -> int:
    hami = (
        device.memory_allocated_bytes,
        device.core_utilization_percent,
        device.memory_utilization_percent,
        device.cores_allocated_percent,
        device.shared_containers_count,
    )
    one_physical_device = mode is HardwareMode.SHARED or any(figure is not None for figure in hami)
    return 1 if one_physical_device else device.available_count
