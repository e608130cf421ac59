"""The type a cluster sends, read as the family that engines are matched by."""

from typing import Final

from budsim.core.errors import UnknownDevice
from budsim.core.hardware.spec import Device, DeviceType

_AMD_VENDORS: Final = frozenset({"amd", "ati", "amd/ati"})
_INTEL_VENDORS: Final = frozenset({"intel", "habana", "habanalabs"})


def device_type(device: Device) -> DeviceType:
    """Return the family of a device.

    A plain «gpu» is told apart by its vendor; every cpu variant is a CPU.

    Raises:
        UnknownDevice: The type is none of those.
    """
    kind = device.type.strip().lower()
    if kind == "cpu" or kind.startswith(("cpu_", "cpu-")):
        return DeviceType.CPU
    if kind == "gpu":
        return _by_vendor(device.vendor)
    try:
        return DeviceType(kind)
    except ValueError:
        raise UnknownDevice(
            f"devices[].type «{device.type}» of «{device.name}» is none of cuda, rocm, hpu, gpu, cpu, cpu_high.",
            param="type",
            remedy="Send one of those types.",
        ) from None


def device_label(device: Device) -> str:
    """Return the label a group carries: the family, but a cpu variant keeps its own name."""
    family = device_type(device)
    return device.type.strip().lower() if family is DeviceType.CPU else family.value


def is_cpu_high(device: Device) -> bool:
    """Return whether the node reporter calls this a CPU with matrix units."""
    return device.type.strip().lower().replace("-", "_").startswith("cpu_high")


def _by_vendor(vendor: str | None) -> DeviceType:
    words = frozenset((vendor or "").lower().replace("[", " ").replace("]", " ").replace(",", " ").split())
    if words & _AMD_VENDORS or (vendor or "").lower().startswith("advanced micro devices"):
        return DeviceType.ROCM
    return DeviceType.HPU if words & _INTEL_VENDORS else DeviceType.CUDA
