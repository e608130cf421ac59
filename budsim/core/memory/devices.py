"""A device by the name somebody typed."""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Final

from budsim.core.errors import InvalidInput
from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.matching import match_name
from budsim.core.hardware.spec import Accelerator
from budsim.core.units import GB

CLOSEST: Final = 4
SUCH_AS: Final = "H100-SXM-80GB"


def named_device(name: str, *, memory_bytes: float | None = None) -> Accelerator:
    """Return a catalogued device, by its catalogue name or any name the catalogue settles.

    Args:
        name: For example «H100-SXM-80GB» or «NVIDIA A100-SXM4-40GB».
        memory_bytes: Its memory where the catalogue cannot know it, as of a CPU. [bytes]

    Raises:
        InvalidInput: Unknown, ambiguous, or without memory.
    """
    known = {each.lower(): device for each, device in catalogue().items()}
    found = known.get(name.strip().lower()) or match_name(name)
    if found is None:
        near = ", ".join(_near(name, known)) or SUCH_AS
        raise InvalidInput(f"device {name!r} is not settled by the catalogue", param="device", remedy=f"did you mean: {near}?")
    if memory_bytes:
        return replace(found, memory_bytes=memory_bytes, memory_class_gb=round(memory_bytes / GB))
    if not found.memory_bytes:
        raise InvalidInput(f"device {found.name} has the memory of its host", param="device", remedy="say it with --device-memory-gib")
    return found


def _near(name: str, known: Mapping[str, Accelerator]) -> list[str]:
    return [known[each].name for each in get_close_matches(name.lower(), known, n=CLOSEST, cutoff=0.3)]
