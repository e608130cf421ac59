"""What a device costs an hour, and what a million output tokens cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from budsim.core.hardware.spec import Accelerator, DeviceType
from budsim.core.units import HOURS_PER_YEAR

DEPRECIATION_YEARS = 5.0  # CONTRACT «Memory, cost»
PURCHASE_USD: Mapping[DeviceType, float] = {  # CONTRACT «Memory, cost»
    DeviceType.CUDA: 27_164.0,
    DeviceType.ROCM: 27_164.0,
    DeviceType.CPU: 5_200.0,
    DeviceType.HPU: 12_500.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBook:
    """Prices by device name, or «cluster_id|device name», in the order they are asked. [$/h]"""

    request: Mapping[str, float] = field(default_factory=dict)
    streamed: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePrice:
    """Cost of one device-hour and where it comes from. [$/h]"""

    usd_per_hour: float
    source: str


def price_per_device_hour(accelerator: Accelerator, book: PriceBook, *, cluster_id: str) -> DevicePrice:
    """Return the first price that is known: request, streamed, settings, catalogue, purchase over five years."""
    for source, prices in (("request", book.request), ("streamed", book.streamed), ("settings", book.settings)):
        for key in (f"{cluster_id}|{accelerator.name}", accelerator.name):
            if key in prices:
                return DevicePrice(usd_per_hour=prices[key], source=source)
    if accelerator.usd_per_hour is not None:
        return DevicePrice(usd_per_hour=accelerator.usd_per_hour, source="catalogue")
    hourly = PURCHASE_USD[accelerator.device_type] / (DEPRECIATION_YEARS * HOURS_PER_YEAR)
    return DevicePrice(usd_per_hour=hourly, source="purchase price over five years")
