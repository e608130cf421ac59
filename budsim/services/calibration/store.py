"""Fitted constants as the document the core loads: values, uncertainty, sources, date, and how far measurements lie from them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from budsim.core.elementwise import FloatArray
from budsim.core.latency.constants import FIELDS
from budsim.services.calibration.fit import Fit, Observations
from budsim.services.calibration.folds import HeldOut, Split

TARGETS: Final = ("ttft", "tpot", "e2e")
QUANTILES: Final = (0.05, 0.95)
FEWEST: Final = 20  # measurements that quantiles are taken of
Bands: TypeAlias = dict[str, list[float]]  # by target
SMALLEST_EFFECT: Final = 0.005  # of a logarithm: half a percent is told from nothing by none of the rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where constants come from: day of the fit, and the sources of its rows."""

    date: str
    sources: Sequence[Mapping[str, str]]


def constants_document(observed: Observations, fit: Fit, bands: Mapping[str, Any], provenance: Provenance) -> dict[str, Any]:
    """Return the document; every value with the standard error of its logarithm."""
    return {
        "version": f"analytic-{provenance.date}",
        "date": provenance.date,
        "runs": len(observed.groups),
        "sources": list(provenance.sources),
        "base": {name: _entry("value", float(np.exp(_theta(fit, "", name))), _error(fit, "", name)) for name in FIELDS},
        "effects": _effects(fit),
        "seen": {
            "devices": sorted(set(observed.devices)),
            "engines": sorted(set(observed.engines)),
            "shapes": sorted({_shape(layers, hidden) for layers, hidden in _shapes(observed)}),
        },
        "bands": dict(bands),
    }


def bands_of(held: Iterable[HeldOut], observed: Observations) -> dict[str, Bands]:
    """Return the 5 % and 95 % quantiles of measured / predicted of runs held out, by split and target."""
    return _nested({each.split.name.lower(): band_of(observed.measured_s[each.rows] / each.predicted_s) for each in held})


def band_of(ratio: FloatArray) -> Bands:
    """Return the quantiles by target; as wide as those of the others where a target was hardly measured.

    Args:
        ratio: Measured / predicted of TTFT, TPOT and E2E, not a number where not measured, shape (runs, 3).
    """
    columns = [ratio[~np.isnan(ratio[:, index]), index] for index in range(len(TARGETS))]
    told = {name: column for name, column in zip(TARGETS, columns, strict=True) if len(column) >= FEWEST}
    every = np.concatenate(columns)
    return {name: [round(float(limit), 3) for limit in np.quantile(told.get(name, every), QUANTILES)] for name in TARGETS}


def with_offline(document: dict[str, Any], observed: Observations, fit: Fit, bands: Mapping[str, Bands]) -> dict[str, Any]:
    """Return the document with what static batches add to it."""
    pairs = sorted({f"{engine}@{device}" for engine, device in zip(observed.engines, observed.devices, strict=True)})
    return {
        **document,
        "static_batches": len(observed.groups),
        "effects": {**document["effects"], **_effects(fit)},
        "seen": {**document["seen"], "offline": pairs},
        "bands": {**document["bands"], **{f"static_{split}": found for split, found in bands.items()}},
    }


def _nested(bands: dict[str, Bands]) -> dict[str, Bands]:
    """Return the bands with none narrower than that of a nearer split: what is farther from the data is known less well."""
    before: dict[str, list[float]] = {}
    for split in (Split.POINT, Split.ARCHITECTURE, Split.DEVICE):
        for name, (low, high) in bands.get(split.name.lower(), {}).items():
            nearer = before.get(name, [low, high])
            before[name] = bands[split.name.lower()][name] = [min(low, nearer[0]), max(high, nearer[1])]
    return bands


def sources_of(rows: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return the distinct sources of rows, with licence and commit."""
    return sorted(
        ({"source": source, "licence": licence, "commit": commit} for source, licence, commit in {_origin(row) for row in rows}),
        key=lambda each: (each["source"], each["commit"]),
    )


def _origin(row: Mapping[str, str]) -> tuple[str, str, str]:
    return row.get("source", ""), row.get("licence", ""), row.get("src_commit", "")


def _effects(fit: Fit) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    for index, (key, name) in enumerate(fit.design.names):
        if key and abs(fit.theta[index]) >= SMALLEST_EFFECT:
            found.setdefault(key, {})[name] = _entry("log_factor", float(fit.theta[index]), float(fit.error[index]))
    return found


def _entry(name: str, value: float, error: float) -> dict[str, float]:
    return {name: float(f"{value:.4g}"), "log_error": float(f"{error:.2g}")}


def _theta(fit: Fit, key: str, name: str) -> float:
    return float(fit.theta[fit.design.names.index((key, name))])


def _error(fit: Fit, key: str, name: str) -> float:
    return float(fit.error[fit.design.names.index((key, name))])


def _shapes(observed: Observations) -> list[tuple[float, float]]:
    demand = observed.demand.decode
    hidden = demand.hop_bytes / demand.sequences / 2.0
    return [(float(layers), float(width)) for layers, width in np.broadcast(demand.layers, hidden)]


def _shape(layers: float, hidden: float) -> str:
    return f"{round(layers)}x{round(hidden)}"
