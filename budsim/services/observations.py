"""What feedback observed of a recommended configuration, as a row in the columns of the training data."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Final
from uuid import UUID

from budsim.core.engines.candidates import Candidate
from budsim.core.hardware.spec import HardwareMode
from budsim.core.model.quantize import METHODS
from budsim.core.model.spec import Precision, Quantization
from budsim.core.units import seconds_to_ms
from budsim.services.accuracy.predict import Range

# the header of measurements.csv, in its order
COLUMNS: Final[tuple[str, ...]] = tuple(
    """source licence model weight_precision kv_precision hardware device_type num_devices tp pp dp ep engine engine_version input_tokens
    output_tokens concurrency request_rate mean_ttft_ms p99_ttft_ms mean_tpot_ms mean_e2e_s output_tps_total output_tps_per_user total_tps
    notes load_mode median_ttft_ms median_tpot_ms p99_tpot_ms median_e2e_s achieved_rps little_mean_concurrency num_requests peak_mem_gb
    spec_decode prefix_caching fail_frac flags date src_commit sanity arch group_id""".split()  # noqa: SIM905  # a list would take 44 lines
)
SOURCE: Final = "feedback"
LICENCE: Final = "own observations of this installation"
_BY_WIDTH: Final[Mapping[tuple[float, Precision], str]] = {
    (8.0, Precision.FP8): "fp8",
    (8.0, Precision.INT8): "int8",
    (8.0, Precision.BF16): "w8a16",
    (4.0, Precision.BF16): "w4a16",
    (4.0, Precision.FP4): "nvfp4",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFigures:
    """What one model set, or the constants of the heuristic, predicted of a configuration. [s, output tokens/s]"""

    method: str
    version: str
    ttft_s: Range
    throughput_per_user: Range
    e2e_s: Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One report with observed figures, and the configuration it is of.

    Attributes:
        engine: Name of the server that runs.
        quantization: Format of the weights; None for as they were trained.
        concurrency: Users one replica carried; None when it was not told.
        throughput_per_user: Output tokens/s one user saw.
        predictions: Of the set that answered first, then of those beside it.
    """

    config_id: UUID
    reported: date
    model: str
    quantization: Quantization | None
    hardware: str
    device_type: str
    hardware_mode: str
    engine: str
    engine_version: str
    candidate: Candidate
    input_tokens: int
    output_tokens: int
    concurrency: int | None
    ttft_s: float | None
    e2e_s: float | None
    throughput_per_user: float | None
    predictions: tuple[SetFigures, ...] = ()

    @property
    def users(self) -> int:
        """Users one replica carried, as told or else as planned."""
        return self.concurrency or self.candidate.concurrency


def measured_row(observation: Observation) -> dict[str, str]:
    """Return an observation in the columns of measurements.csv; what is not known is empty.

    The figures are means over the requests since the last report, taken to be of the lengths that were asked for; TPOT and, where only a
    throughput was told, E2E follow by identity.
    """
    row = {**dict.fromkeys(COLUMNS, ""), **_ran(observation), **_saw(observation)}
    return row | {"group_id": _group(row)}


def _ran(observation: Observation) -> Mapping[str, str]:
    candidate = observation.candidate
    return {
        "source": SOURCE,
        "licence": LICENCE,
        "model": observation.model,
        "weight_precision": _weight_precision(observation.quantization),
        "kv_precision": candidate.kv_precision.value,
        "hardware": observation.hardware,
        "device_type": observation.device_type,
        "num_devices": str(candidate.devices),
        "tp": str(candidate.tensor_parallel),
        "pp": str(candidate.pipeline_parallel),
        "dp": str(candidate.data_parallel),
        "ep": str(candidate.expert_parallel),
        "engine": observation.engine,
        "engine_version": observation.engine_version,
        "input_tokens": str(observation.input_tokens),
        "output_tokens": str(observation.output_tokens),
        "concurrency": str(observation.users),
        "load_mode": "closed_loop",
        "prefix_caching": "on" if candidate.prefix_caching else "off",
        "flags": _flags(observation),
        "date": observation.reported.isoformat(),
    }


def _weight_precision(quantization: Quantization | None) -> str:
    """Return a format by the name the training data have for it: one that is packed in a container's name by its width."""
    if quantization is None:
        return "bf16"
    if quantization.method in METHODS:
        return quantization.method
    return _BY_WIDTH.get((quantization.weight_bits, quantization.activation), quantization.method)


def _flags(observation: Observation) -> str:
    candidate = observation.candidate
    flags = [
        f"max-num-seqs={candidate.max_num_seqs}",
        f"max-num-batched-tokens={candidate.max_num_batched_tokens}",
        f"chunked-prefill={str(candidate.chunked_prefill).lower()}",
    ]
    return "; ".join(flags + (["slice of a shared device"] if observation.hardware_mode == HardwareMode.SHARED else []))


def _saw(observation: Observation) -> Mapping[str, str]:
    throughput, e2e_s, tpot_s = observation.throughput_per_user, _e2e_s(observation), _tpot_s(observation)
    notes = {
        "lengths as asked for": True,
        "DERIVED by identity: tpot": tpot_s is not None,
        "DERIVED by identity: e2e": observation.e2e_s is None and e2e_s is not None,
        "concurrency as planned": observation.concurrency is None,
    }
    return {
        "mean_ttft_ms": _milliseconds(observation.ttft_s),
        "mean_tpot_ms": _milliseconds(tpot_s),
        "mean_e2e_s": _number(e2e_s),
        "output_tps_per_user": _number(throughput),
        "output_tps_total": _number(None if throughput is None else throughput * observation.users),
        "notes": "; ".join(note for note, holds in notes.items() if holds),
    }


def _e2e_s(observation: Observation) -> float | None:
    throughput = observation.throughput_per_user
    return observation.e2e_s if observation.e2e_s is not None or throughput is None else observation.output_tokens / throughput


def _tpot_s(observation: Observation) -> float | None:
    e2e_s, ttft_s = _e2e_s(observation), observation.ttft_s
    if e2e_s is None or ttft_s is None or observation.output_tokens < 2 or e2e_s <= ttft_s:
        return None
    return (e2e_s - ttft_s) / (observation.output_tokens - 1)


def _milliseconds(value_s: float | None) -> str:
    return _number(None if value_s is None else seconds_to_ms(value_s))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


_POINT: Final = ("model", "weight_precision", "kv_precision", "hardware", "tp", "pp", "dp", "ep", "engine", "engine_version")
_LOAD: Final = ("input_tokens", "output_tokens", "concurrency", "load_mode", "flags")


def _group(row: Mapping[str, str]) -> str:
    """Return the name of a row's config point: the rows of one stay in one fold."""
    return sha256("|".join(row[name] for name in (*_POINT, *_LOAD)).encode()).hexdigest()[:10]
