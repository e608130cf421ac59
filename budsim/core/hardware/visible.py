"""Memory a device offers to an engine: what CUDA reports, a little less than nvidia-smi prints."""

from collections.abc import Mapping
from functools import cache
from typing import Final

from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.spec import Accelerator, DeviceType
from budsim.core.hardware.tables import rows
from budsim.core.units import MIB

TYPICAL_SHARE: Final = 0.988  # median of visible.csv: for catalogued CUDA devices no log was found of


def visible_share(device: Accelerator) -> float:
    """Return the share of a device's memory that CUDA reports as its total, the base of an engine's utilisation.

    A device outside the catalogue is taken at the figure its cluster sent.

    Source:
        visible.csv; AMD devices report all of it.
    """
    return _shares().get(device.name, 1.0) if device.device_type is DeviceType.CUDA else 1.0


@cache
def _shares() -> Mapping[str, float]:
    known = {row["device"]: float(row["visible_mib"]) * MIB for row in rows("visible.csv")}
    cards = {name: card for name, card in catalogue().items() if card.device_type is DeviceType.CUDA}
    return {name: known[name] / card.memory_bytes if name in known else TYPICAL_SHARE for name, card in cards.items()}
