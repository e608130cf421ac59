"""What one device costs an hour, and what a million tokens cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from budsim.core.hardware.matching import match_name
from budsim.core.hardware.spec import Accelerator, DeviceType
from budsim.core.units import HOURS_PER_YEAR, MILLION, SECONDS_PER_HOUR

# CONTRACT «Memory, cost»: purchase price of one device [$], written off over five years.
PURCHASE_USD: Final[Mapping[DeviceType, float]] = {
    DeviceType.CUDA: 27_164.0,
    DeviceType.ROCM: 27_164.0,
    DeviceType.HPU: 12_500.0,
    DeviceType.CPU: 5_200.0,
}
WRITE_OFF_YEARS: Final = 5
WATTS_PER_KILOWATT: Final = 1_000.0
PURCHASE: Final = "purchase"  # source of a price that is a written-off purchase, for want of an hourly one


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBook:
    """Prices of one device-hour [$/h] by «device» or «cluster_id|device».

    A device is named by its catalogue name, by any name the catalogue matches («NVIDIA H100 80GB HBM3»), or by its type («cuda»).
    """

    request: Mapping[str, float] = field(default_factory=dict)
    streamed: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePrice:
    """Price of one device-hour [$/h] and where it comes from: request, streamed, settings, catalogue or purchase."""

    usd_per_hour: float
    source: str


def price_per_device_hour(accelerator: Accelerator, book: PriceBook, *, cluster_id: str) -> DevicePrice:
    """Return the first known price: request, streamed, settings, catalogue, purchase price over five years.

    Within a book the cluster's own price goes before the general one, and a device's before its type's.

    Args:
        accelerator: Device to be priced; a CPU by the socket.
        book: Prices by source.
        cluster_id: Cluster it stands in.
    """
    for source, prices in (("request", book.request), ("streamed", book.streamed), ("settings", book.settings)):
        listed = _listed(accelerator, prices, cluster_id)
        if listed is not None:
            return DevicePrice(usd_per_hour=listed, source=source)
    if accelerator.usd_per_hour is not None:
        return DevicePrice(usd_per_hour=accelerator.usd_per_hour, source="catalogue")
    hours = WRITE_OFF_YEARS * HOURS_PER_YEAR
    return DevicePrice(usd_per_hour=PURCHASE_USD[accelerator.device_type] / hours, source=PURCHASE)


def cost_per_million_tokens(
    usd_per_hour: NDArray[np.float64] | float,
    devices: NDArray[np.int64] | int,
    throughput_per_user: NDArray[np.float64],
    concurrency: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the cost of 10⁶ output tokens, shape (n,): infinite where nothing comes out. [$]

    It is a cost per token: replicas do not change it.

    Args:
        usd_per_hour: Price of one device-hour. [$/h]
        devices: TP · PP of one replica. [devices]
        throughput_per_user: Output tokens one user sees, shape (n,). [tokens/s]
        concurrency: Users of one replica, shape (n,).

    Source:
        CONTRACT «Memory, cost», PHYSICS 18.
    """
    tokens_per_hour = throughput_per_user * concurrency * SECONDS_PER_HOUR
    usd = np.broadcast_to(np.asarray(usd_per_hour * devices, dtype=np.float64), tokens_per_hour.shape)
    cost = np.full(tokens_per_hour.shape, np.inf)
    np.divide(usd * MILLION, tokens_per_hour, out=cost, where=tokens_per_hour > 0)
    return cost


def kwh_per_million_tokens(
    power_w: float, devices: NDArray[np.int64] | int, throughput_per_user: NDArray[np.float64], concurrency: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the energy of 10⁶ output tokens at the devices' rated power, shape (n,): an upper bound, hosts and cooling apart. [kWh]

    Args:
        power_w: Rated power of one device. [W]
        devices: TP · PP of one replica. [devices]
        throughput_per_user: Output tokens one user sees, shape (n,). [tokens/s]
        concurrency: Users of one replica, shape (n,).
    """
    # What costs one dollar per kWh costs power_w / 1000 dollars an hour.
    return cost_per_million_tokens(power_w / WATTS_PER_KILOWATT, devices, throughput_per_user, concurrency)


def _listed(accelerator: Accelerator, prices: Mapping[str, float], cluster_id: str) -> float | None:
    if not prices:
        return None
    own = {name.removeprefix(f"{cluster_id}|"): usd for name, usd in prices.items() if name.startswith(f"{cluster_id}|")}
    general = {name: usd for name, usd in prices.items() if "|" not in name}
    for names in (own, general):
        for is_meant in (_is_device, _is_type):
            meant = [usd for name, usd in sorted(names.items()) if is_meant(name, accelerator)]
            if meant:
                return meant[0]
    return None


def _is_device(name: str, accelerator: Accelerator) -> bool:
    if name.lower() == accelerator.name.lower():
        return True
    known = match_name(name)
    return known is not None and known.name == accelerator.name


def _is_type(name: str, accelerator: Accelerator) -> bool:
    return name.lower() == accelerator.device_type
