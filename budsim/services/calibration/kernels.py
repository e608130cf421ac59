"""Shares of peak from kernel timings: per device and operator a roofline with a floor, and a prior by architecture."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import least_squares

from budsim.core.engines.candidates import FloatArray
from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.spec import Accelerator
from budsim.core.latency.generations import architecture_of
from budsim.core.latency.kernels import ANY

# systems of AIConfigurator's measurements, as the catalogue calls them
SYSTEMS: Final[Mapping[str, str]] = {
    "a100_sxm": "A100-SXM-80GB",
    "h100_sxm": "H100-SXM-80GB",
    "h200_sxm": "H200-SXM-141GB",
    "b200_sxm": "B200-180GB",
    "b300_sxm": "B300-288GB",
    "gb200": "GB200-192GB",
    "gb300": "GB300-288GB",
    "l40s": "L40S-48GB",
    "rtx_pro_6000_server": "RTXPRO6000-96GB",
}
SAMPLED: Final = 3000  # timings of one device and operator that are fitted
MIN_TIMINGS: Final = 100
SOFT: Final = 0.2  # of the logarithm of a time: beyond, a timing counts less
START: Final = (0.6, 0.7, 5e-6)  # share of compute, of bandwidth, floor [s]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Timings of one operator on one device, shape (n,). [FLOP, bytes, s]"""

    flop: FloatArray
    moved_bytes: FloatArray
    time_s: FloatArray
    flop_per_s: float
    bytes_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFit:
    """Shares of peak one operator reaches on one device, the floor of its time, and how far timings lie from that."""

    device: str
    operator: str
    compute: float
    bandwidth: float
    floor_s: float
    median_error: float
    timings: int


def fit_kernel(device: str, operator: str, timings: Timings) -> KernelFit:
    """Return the roofline with a floor that lies closest to the timings, on a logarithmic scale and robustly."""
    chosen = np.linspace(0, len(timings.time_s) - 1, min(SAMPLED, len(timings.time_s))).astype(int)
    flop, moved, measured = timings.flop[chosen], timings.moved_bytes[chosen], np.log(timings.time_s[chosen])

    def errors(logs: FloatArray) -> FloatArray:
        compute, bandwidth, floor = np.exp(logs)
        roofline = np.maximum(flop / (compute * timings.flop_per_s), moved / (bandwidth * timings.bytes_per_s))
        return np.asarray(np.log(roofline + floor) - measured)

    found = least_squares(errors, np.log(START), loss="soft_l1", f_scale=SOFT)
    compute, bandwidth, floor = np.minimum(np.exp(found.x), (1.0, 1.0, np.inf))
    return KernelFit(
        device=device,
        operator=operator,
        compute=float(compute),
        bandwidth=float(bandwidth),
        floor_s=float(floor),
        median_error=float(np.median(np.abs(errors(found.x)))),
        timings=len(timings.time_s),
    )


def share_rows(fits: Iterable[KernelFit]) -> list[dict[str, str]]:
    """Return the rows of `kernels.csv`: measured devices, then the geometric means of architectures and of all."""
    rows = [(fit.device, name, value, fit) for fit in fits for name, value in _shares(fit)]
    written = [_row(device, name, value, fit.median_error, fit.timings) for device, name, value, fit in rows]
    by_group: dict[tuple[str, str], list[float]] = {}
    for device, name, value, _ in rows:
        for group in (f"architecture:{architecture_of(_accelerator(device))}", ANY):
            by_group.setdefault((group, name), []).append(float(np.log(value)))
    for (group, name), logs in sorted(by_group.items()):
        spread = float(np.std(logs)) if len(logs) > 1 else 0.0
        written.append(_row(group, name, float(np.exp(np.mean(logs))), spread, len(logs)))
    return written


def _shares(fit: KernelFit) -> list[tuple[str, float]]:
    match fit.operator:
        case "gemm_16":
            return [("gemm_16", fit.compute), ("gemm_bandwidth", fit.bandwidth)]
        case "gemm_8" | "gemm_4":
            return [(fit.operator, fit.compute)]
        case "attention_prefill":
            return [("attention_compute", fit.compute)]
        case "attention_decode":
            return [("attention_bandwidth", fit.bandwidth)]
        case _:
            return [("reduce_bandwidth", fit.bandwidth)]


def _row(device: str, operator: str, share: float, error: float, timings: int) -> dict[str, str]:
    return {"device": device, "operator": operator, "share": f"{share:.4f}", "log_error": f"{error:.3f}", "timings": str(timings)}


def _accelerator(device: str) -> Accelerator:
    return catalogue()[device]
