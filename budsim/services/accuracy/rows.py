"""One measured row as a value: what ran, under which load, and what was measured."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from budsim.core.units import ms_to_seconds
from budsim.services.accuracy.cells import positive, text, whole

Row = Mapping[str, str | None]


class RowMode(StrEnum):
    """Load modes that are predicted."""

    CLOSED_LOOP = "closed_loop"
    STATIC_BATCH = "static_batch"
    RATE = "rate"
    RATE_BURST = "rate_burst"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a row measured; None where it did not."""

    ttft_s: float | None
    tpot_s: float | None
    e2e_s: float | None
    throughput_per_user: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRow:
    """A row of measurements, read but not yet understood."""

    model: str
    hardware: str
    mode: str
    engine: str
    engine_version: str
    device_type: str
    weight_precision: str
    kv_precision: str
    tensor_parallel: int
    pipeline_parallel: int
    data_parallel: int
    expert_parallel: int
    input_tokens: float | None
    output_tokens: float | None
    concurrency: float | None
    request_rate_per_s: float | None
    requests: float | None
    max_num_seqs: int | None
    max_num_batched_tokens: int | None
    chunked_prefill: bool | None
    speculated: str
    arch: str
    group: str
    overloaded: bool
    measured: Measured


def read_row(row: Row) -> MeasuredRow:
    """Return what a row says; nothing in it makes this fail."""
    flags = (text(row, "flags") or "").lower()
    layout = _layout(row)
    return MeasuredRow(
        model=text(row, "model") or "",
        hardware=text(row, "hardware") or "",
        mode=(text(row, "load_mode") or "").lower(),
        engine=(text(row, "engine") or "").lower(),
        engine_version=text(row, "engine_version") or "",
        device_type=(text(row, "device_type") or "").lower(),
        weight_precision=(text(row, "weight_precision") or "").lower(),
        kv_precision=(text(row, "kv_precision") or "").lower(),
        tensor_parallel=layout[0],
        pipeline_parallel=layout[1],
        data_parallel=layout[2],
        expert_parallel=max(1, whole(row, "ep", 1)),
        input_tokens=positive(row, "input_tokens"),
        output_tokens=positive(row, "output_tokens"),
        concurrency=positive(row, "concurrency"),
        request_rate_per_s=positive(row, "request_rate"),
        requests=positive(row, "num_requests"),
        max_num_seqs=_stated(flags, "max-num-seqs"),
        max_num_batched_tokens=_stated(flags, "max-num-batched-tokens"),
        chunked_prefill=_chunked(flags),
        speculated=text(row, "spec_decode") or "",
        arch=text(row, "arch") or text(row, "model") or "",
        group=text(row, "group_id") or "",
        overloaded=(positive(row, "fail_frac") or 0.0) > 0.02,
        measured=_measured(row),
    )


def _layout(row: Row) -> tuple[int, int, int]:
    """Return TP, PP and DP; devices that no degree explains count as tensor parallel."""
    stated = tuple(max(1, whole(row, column, 1)) for column in ("tp", "pp", "dp"))
    if text(row, "tp") is None:
        return max(1, whole(row, "num_devices", 1) // (stated[1] * stated[2])), stated[1], stated[2]
    return stated[0], stated[1], stated[2]


def _stated(flags: str, name: str) -> int | None:
    found = re.search(rf"{name}\s*=\s*(\d+)", flags)
    return int(found.group(1)) if found else None


def _chunked(flags: str) -> bool | None:
    found = re.search(r"chunked(?:-prefill)?\s*=\s*(true|false)", flags)
    return found.group(1) == "true" if found else None


def _measured(row: Row) -> Measured:
    ttft, tpot = positive(row, "mean_ttft_ms"), positive(row, "mean_tpot_ms")
    e2e, output = positive(row, "mean_e2e_s"), positive(row, "output_tokens")
    if e2e is None and ttft is not None and tpot is not None and output is not None:
        e2e = ms_to_seconds(ttft + (output - 1.0) * tpot)
    return Measured(
        ttft_s=None if ttft is None else ms_to_seconds(ttft),
        tpot_s=None if tpot is None else ms_to_seconds(tpot),
        e2e_s=e2e,
        throughput_per_user=output / e2e if output and e2e else None,
    )
