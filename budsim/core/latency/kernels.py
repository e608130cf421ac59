"""What kernels reach of a device's peaks, measured per device and number format; for others the mean of their architecture."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from budsim.core.elementwise import Figure
from budsim.core.hardware.spec import Accelerator
from budsim.core.latency.generations import architecture_of

ANY: Final = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelShares:
    """Shares of peak that kernels alone reach; one figure for all runs, or one a run."""

    gemm_16: Figure
    gemm_8: Figure
    gemm_4: Figure
    gemm_bandwidth: Figure
    attention_compute: Figure
    attention_bandwidth: Figure
    reduce_bandwidth: Figure


@cache
def measured_shares() -> Mapping[str, KernelShares]:
    """Return the shares by device name, and by «architecture:…» and «any» for devices that were not measured.

    Source:
        `kernels.csv`, written by `budsim calibrate` from AIConfigurator's kernel timings.
    """
    text = files(__package__).joinpath("kernels.csv").read_text(encoding="utf-8")
    return shares_from(csv.DictReader(text.splitlines()))


def shares_from(rows: Iterable[Mapping[str, str]]) -> Mapping[str, KernelShares]:
    """Return the shares that rows of `device, operator, share` hold."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        found.setdefault(row["device"], {})[row["operator"]] = float(row["share"])
    fallback = found[ANY]
    return MappingProxyType({device: KernelShares(**{**fallback, **known}) for device, known in found.items()})


def kernel_shares(device: Accelerator, known: Mapping[str, KernelShares]) -> KernelShares:
    """Return a device's own shares, else those of its architecture, else the mean of all."""
    for key in (device.name, f"architecture:{architecture_of(device)}", ANY):
        if key in known:
            return known[key]
    return known[ANY]
