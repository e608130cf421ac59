"""The device catalogue: figures of known device models, as data with a source beside each.

`catalogue.csv` holds the devices, `links.csv` what connects them, `sources.csv` what the source keys mean. TPU and Inferentia
are left out: clusters send no such device type.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from budsim.core.hardware.spec import Accelerator, DeviceType, Link
from budsim.core.hardware.tables import rows
from budsim.core.units import GB, MIB, TERA, US_PER_S

_SOURCE_COLUMNS = ("memory", "bandwidth", "peak", "power", "price")


@cache
def catalogue() -> Mapping[str, Accelerator]:
    """Return every known accelerator by name.

    Memory is what the device reports as usable, not its name. A CPU is one socket; its memory is 0 here, for the cluster sends it.
    Rates are dense peaks.
    """
    by_link, joins = links(), _joins()
    return MappingProxyType({row["name"]: _accelerator(row, by_link, joins.get(row["intra_link"])) for row in rows("catalogue.csv")})


@cache
def links() -> Mapping[str, Link]:
    """Return every kind of link by name: bandwidth per direction and device, and the latency of one small exchange."""
    return MappingProxyType(
        {
            row["link"]: Link(bandwidth_bytes_per_s=float(row["bandwidth_gb_per_s"]) * GB, latency_s=float(row["latency_us"]) / US_PER_S)
            for row in rows("links.csv")
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Join:
    """How many devices a kind of link joins, and the link beyond them."""

    devices: int
    beyond: Link


def _joins() -> Mapping[str, _Join]:
    by_link = links()
    return {row["link"]: _Join(devices=int(row["joins"]), beyond=by_link[row["beyond"]]) for row in rows("links.csv") if row["joins"]}


def _accelerator(row: Mapping[str, str], by_link: Mapping[str, Link], join: _Join | None) -> Accelerator:
    return Accelerator(
        name=row["name"],
        device_type=DeviceType(row["device_type"]),
        vendor=row["vendor"],
        memory_bytes=(_figure(row, "memory_mib", MIB) or 0.0),
        memory_class_gb=int(row["memory_class_gb"] or 0),
        bandwidth_bytes_per_s=float(row["bandwidth_gb_per_s"]) * GB,
        fp16_flop_per_s=float(row["fp16_tflops"]) * TERA,
        fp8_flop_per_s=_figure(row, "fp8_tflops", TERA),
        int8_flop_per_s=_figure(row, "int8_tops", TERA),
        int4_flop_per_s=_figure(row, "int4_tops", TERA),
        fp4_flop_per_s=_figure(row, "fp4_tflops", TERA),
        intra_node=by_link[row["intra_link"]],
        inter_node=by_link[row["inter_link"]],
        joined_devices=join.devices if join else None,
        beyond=join.beyond if join else None,
        tdp_w=_figure(row, "tdp_w", 1),
        usd_per_hour=_figure(row, "usd_per_hour", 1),
        cores=int(row["cores"]) if row["cores"] else None,
        source=_source(row),
    )


def _figure(row: Mapping[str, str], column: str, unit: float) -> float | None:
    return float(row[column]) * unit if row[column] else None


def _source(row: Mapping[str, str]) -> str:
    """Return the keys alone, for a device travels with every part: `sources.csv` says what they mean."""
    return "; ".join(f"{column} {row[f'{column}_source']}" for column in _SOURCE_COLUMNS if row[f"{column}_source"])
