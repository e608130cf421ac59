"""Which catalogue device a sent one is. Unknown stays unknown: nothing is guessed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from budsim.core.errors import UnknownDevice
from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.device_types import device_type
from budsim.core.hardware.names import is_mig_slice, name_key
from budsim.core.hardware.spec import Accelerator, Device, DeviceType
from budsim.core.hardware.tables import rows
from budsim.core.units import GB, GIB, MIB

# A sent size is read as a known one when it lies within this share of any way to write it: 79…88 for an 80 GB card whose
# 81,559 MiB are 79.6 GiB, 81.6 thousand MiB or 85.5 GB. The closest two sizes of one model differ by 16 of 80 GB, 5 times as much.
NEAR: Final = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class _Variant:
    """A device an alias may mean; `needs_memory` when the alias alone does not tell it."""

    accelerator: Accelerator
    needs_memory: bool


def match(device: Device) -> Accelerator | None:
    """Return the catalogue device that the sent names and memory describe, None when none is certain.

    Names are read in the order raw_name, device_model, name; a later one may narrow an earlier one («H100», then «H100-PCIE»). The
    sent memory picks among the variants of a model, before the size that the name mentions.

    Args:
        device: One entry of a node.

    Raises:
        UnknownDevice: Its type is no type.
    """
    names = _names(device)
    if any(is_mig_slice(name) for name in names):
        return None
    found: tuple[Accelerator, ...] = ()
    for name in names:
        found = _narrowed(found, tuple(each for each in _meant(name, device.memory_bytes) if _type_allows(device, each)))
    return found[0] if found else None


def match_name(name: str) -> Accelerator | None:
    """Return the catalogue device of a name alone, None when the name does not settle it."""
    meant = () if is_mig_slice(name) else _meant(name, None)
    return meant[0] if meant else None


def refuse_mig(device: Device) -> None:
    """Refuse a MIG slice.

    Raises:
        UnknownDevice: A name of the device is that of a slice.
    """
    for name in _names(device):
        if is_mig_slice(name):
            raise UnknownDevice(
                f"«{name}» is a MIG slice: its share of compute and bandwidth is not modelled.",
                param="raw_name",
                remedy="Report the whole GPU with MIG off, or share it with HAMI.",
            )


def near_known_size(sent_bytes: float, accelerator: Accelerator) -> bool:
    """Return whether a sent size is a way to write the size of this device.

    Args:
        sent_bytes: What the cluster sent, GB read as 10⁹. [bytes]
        accelerator: Device with its usable memory and class.
    """
    written = _written_sizes_gb(accelerator)
    return bool(written) and (1 - NEAR) * min(written) <= sent_bytes / GB <= (1 + NEAR) * max(written)


def _written_sizes_gb(accelerator: Accelerator) -> tuple[float, ...]:
    usable = accelerator.memory_bytes
    return (float(accelerator.memory_class_gb), usable / GB, usable / GIB, usable / MIB / 1000) if usable else ()


def _names(device: Device) -> tuple[str, ...]:
    return tuple(name for name in (device.raw_name, device.device_model, device.name) if name)


def _type_allows(device: Device, accelerator: Accelerator) -> bool:
    if device.type.strip().lower() == "gpu" and not device.vendor:
        return accelerator.device_type is not DeviceType.CPU
    return accelerator.device_type is device_type(device)


def _narrowed(found: tuple[Accelerator, ...], variants: tuple[Accelerator, ...]) -> tuple[Accelerator, ...]:
    return tuple(each for each in found if each in variants) or found or variants


def _meant(name: str, sent_bytes: float | None) -> tuple[Accelerator, ...]:
    """Return what a name may mean, likeliest first."""
    key = name_key(name)
    known = _by_alias()
    # «GH200 480GB» names the memory of its CPU: such an alias holds the size.
    if key.whole != key.bare and key.whole in known:
        return tuple(each.accelerator for each in known[key.whole])
    variants = known.get(key.bare, ())
    near = _of_size(variants, sent_bytes)
    if near:
        return near
    if key.memory_gb is not None:
        return _of_size(variants, key.memory_gb * GB)
    return tuple(each.accelerator for each in variants if not each.needs_memory)


def _of_size(variants: Iterable[_Variant], size_bytes: float | None) -> tuple[Accelerator, ...]:
    if not size_bytes:
        return ()
    return tuple(each.accelerator for each in variants if near_known_size(size_bytes, each.accelerator))


@cache
def _by_alias() -> Mapping[str, tuple[_Variant, ...]]:
    known = catalogue()
    aliases: dict[str, list[_Variant]] = {}
    for row in rows("aliases.csv"):
        aliases.setdefault(row["alias"], []).append(_Variant(accelerator=known[row["name"]], needs_memory=row["needs"] == "memory"))
    for key, own in _own_names(known.values()).items():
        aliases.setdefault(key, [_Variant(accelerator=each, needs_memory=len(own) > 1) for each in own])
    return {alias: tuple(variants) for alias, variants in aliases.items()}


def _own_names(accelerators: Iterable[Accelerator]) -> Mapping[str, list[Accelerator]]:
    own: dict[str, list[Accelerator]] = {}
    for accelerator in accelerators:
        own.setdefault(name_key(accelerator.name).bare, []).append(accelerator)
    return own
