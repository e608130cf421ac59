"""Tables of kernel timings, as AIConfigurator publishes them, turned into work, traffic and time."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import numpy as np

from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.spec import Accelerator
from budsim.core.units import MS_PER_S
from budsim.services.calibration.kernels import MIN_TIMINGS, SYSTEMS, KernelFit, Timings, fit_kernel

Row = Mapping[str, str]
Point = tuple[float, float, float]  # FLOP, bytes, seconds
MIN_GEMM_SIDE: Final = 512  # smaller products are no layer of a language model
MIN_PROMPT_TOKENS: Final = 128
NVFP4_BYTES: Final = 0.5625  # 4 bits and an 8-bit scale in 16
LANES: Final[Mapping[str, tuple[str, float]]] = {"bfloat16": ("gemm_16", 2.0), "fp8": ("gemm_8", 1.0), "nvfp4": ("gemm_4", NVFP4_BYTES)}
REDUCED_BYTES: Final = 2.0  # sizes count 16-bit values: as bytes NCCL would reach 215 of the 450 GB/s it is known to reach on eight H100
HOST_LINK_BYTES_PER_S: Final = 64e9  # PCIe 5, the fastest link through a host
# files of a folder of timings, and how a row of each is read
FILES: Final = ("gemm", "context_attention", "generation_attention", "custom_allreduce", "nccl")


def kernel_fits(tables: Iterable[tuple[str, Iterable[Row]]]) -> list[KernelFit]:
    """Return the fits of all devices and operators.

    Args:
        tables: Name of FILES and its rows.
    """
    points: dict[tuple[str, str], list[Point]] = {}
    for name, rows in tables:
        for device, operator, point in _points(name, rows):
            points.setdefault((device, operator), []).append(point)
    known = catalogue()
    return [
        fit_kernel(device, operator, _timings(known[device], operator, found))
        for (device, operator), found in sorted(points.items())
        if len(found) >= MIN_TIMINGS
    ]


def _points(name: str, rows: Iterable[Row]) -> Iterator[tuple[str, str, Point]]:
    reader = _READERS[name]
    for row in rows:
        device = SYSTEMS.get(row["system"])
        found = reader(row) if device and not _crosses_host(row, device) else None
        if device and found:
            yield device, *found


def _crosses_host(row: Row, device: str) -> bool:
    """Return whether a collective runs over more than a pair of devices that have no link of their own.

    Such a group measures the bridges and sockets of the one host it was timed on, not what a collective reaches of the link.
    """
    is_hosted = catalogue()[device].intra_node.bandwidth_bytes_per_s <= HOST_LINK_BYTES_PER_S
    return is_hosted and float(row.get("num_gpus") or 1) > 2


def _gemm(row: Row) -> tuple[str, Point] | None:
    lane = LANES.get(row["gemm_dtype"])
    m, n, k = float(row["m"]), float(row["n"]), float(row["k"])
    if lane is None or min(n, k) < MIN_GEMM_SIDE:
        return None
    operator, width = lane
    return operator, (2.0 * m * n * k, width * (n * k + m * k) + 2.0 * m * n, _seconds(row))


def _prefill(row: Row) -> tuple[str, Point] | None:
    if row["step"] != "0" or row["kv_cache_dtype"] != "bfloat16" or _windowed(row) or float(row["isl"]) < MIN_PROMPT_TOKENS:
        return None
    batch, length, heads, cached, width = _attention(row)
    return "attention_prefill", (2.0 * batch * heads * width * length**2, 4.0 * batch * length * width * (heads + cached), _seconds(row))


def _decode(row: Row) -> tuple[str, Point] | None:
    if row["kv_cache_dtype"] != "bfloat16" or _windowed(row):
        return None
    batch, length, heads, cached, width = _attention(row)
    total = length + float(row["step"])
    moved = 4.0 * batch * width * (total * cached + heads)
    return "attention_decode", (4.0 * batch * heads * width * total, moved, _seconds(row))


def _reduce(row: Row) -> tuple[str, Point] | None:
    if row["op_name"] != "all_reduce" or row.get("nccl_dtype", "half") != "half" or "eager" in row.get("kernel_source", ""):
        return None
    devices = float(row["num_gpus"])
    return "all_reduce", (0.0, 2.0 * (devices - 1.0) / devices * REDUCED_BYTES * float(row["message_size"]), _seconds(row))


def _attention(row: Row) -> tuple[float, float, float, float, float]:
    return tuple(float(row[name]) for name in ("batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim"))  # type: ignore[return-value]


def _windowed(row: Row) -> bool:
    return float(row["window_size"] or 0) > 0


def _seconds(row: Row) -> float:
    return float(row["latency"]) / MS_PER_S


def _timings(device: Accelerator, operator: str, points: list[Point]) -> Timings:
    flop, moved, time = np.array(points).T
    peaks = {"gemm_8": device.fp8_flop_per_s, "gemm_4": device.fp4_flop_per_s}
    over_link = operator == "all_reduce"
    return Timings(
        flop=flop,
        moved_bytes=moved,
        time_s=time,
        flop_per_s=peaks.get(operator) or device.fp16_flop_per_s,
        bytes_per_s=device.intra_node.bandwidth_bytes_per_s if over_link else device.bandwidth_bytes_per_s,
    )


_READERS: Final[Mapping[str, Callable[[Row], tuple[str, Point] | None]]] = {
    "gemm": _gemm,
    "context_attention": _prefill,
    "generation_attention": _decode,
    "custom_allreduce": _reduce,
    "nccl": _reduce,
}
