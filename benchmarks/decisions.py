"""Whether predictions pick the right deployment: measured configurations of one model, device, engine and lengths, chosen by prediction.

    python -m benchmarks.decisions ../shared/data

Constants are refitted without the fold of configuration points they are judged on. Writes benchmarks/results/decisions.json.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from budsim.core.errors import BudSimError
from budsim.core.latency.constants import shipped_constants
from budsim.core.latency.kernels import measured_shares
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.search.fitness import MEAN_SUFFICES, Z_95
from budsim.services.accuracy.capacity import MemoryOfWhatRan
from budsim.services.accuracy.rows import MeasuredRow, read_row
from budsim.services.accuracy.runs import Models, Run, run_of
from budsim.services.accuracy.shapes import models_of
from budsim.services.calibration.folds import Split, held_out
from budsim.services.calibration.observe import is_clean, observations
from budsim.services.training.folds import Split as TrainingSplit
from budsim.services.training.folds import folds
from budsim.services.training.learn import learnable
from budsim.services.training.rows import analysed, table_of
from budsim.services.training.settings import Settings
from budsim.services.training.tune import tuned

RESULTS = Path(__file__).parent / "results" / "decisions.json"
TPOT_SLOS_MS = (15.0, 30.0, 50.0)
ASKED = (0.5, 0.7, 0.9)  # min_slo_probability: at 0.5 the mean suffices
LEAST_POINTS = 6
# what AIConfigurator reports of its own data, and what is aimed at
AIMS = {"violating_share": 0.05, "regret": 0.03, "spearman": 0.97}

Floats = NDArray[np.float64]
GroupKey = tuple[object, ...]
Known = tuple[MeasuredRow, Run, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One measured configuration and what is predicted of it without it. [s, output tokens/s per device]

    Attributes:
        log_tpot: Centre and deviation of the logarithm of TPOT, from the 5 % and 95 % quantiles.
    """

    group: GroupKey
    measured_tpot_s: float
    measured_rate: float
    predicted_tpot_s: float
    predicted_rate: float
    log_tpot: NormalDist

    def keeps(self, slo_s: float, asked: float) -> bool:
        """Whether it is predicted to keep a TPOT SLO with the asked probability."""
        within = self.predicted_tpot_s <= slo_s
        return within if asked <= MEAN_SUFFICES else within and self.log_tpot.cdf(log(slo_s)) >= asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Predictions of rows, shape (n,), TPOT with its 5 % and 95 % quantiles; not finite where there is none. [s]"""

    tpot_s: Floats
    tpot_low_s: Floats
    tpot_high_s: Floats
    e2e_s: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """One decision: whether the pick breaks the SLO, and how much less it yields than the best that keeps it."""

    violates: bool
    regret: float


def known_rows(data: Path) -> list[Known]:
    """Return the clean rows that can be predicted, in the order in which `observations` holds them."""
    models = models_of(_table(data / "model_shapes.csv"))
    found = [(read_row(line), line) for line in _table(data / "measurements.csv")]
    return [(row, run, line) for row, line in found if is_clean(row) and (run := _run(row, models)) is not None]


def _run(row: MeasuredRow, models: Models) -> Run | None:
    try:
        return run_of(row, models)
    except BudSimError:
        return None


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [{name: value or "" for name, value in line.items()} for line in csv.DictReader(file)]


def physics(data: Path, rows: Sequence[Known]) -> Figures:
    """Return what constants predict that were fitted without the fold of each row."""
    models = models_of(_table(data / "model_shapes.csv"))
    held = held_out(observations([row for row, _, _ in rows], models, dict(measured_shares())), Split.POINT)
    predicted = np.full((len(rows), 3), np.nan)
    predicted[held.rows] = held.predicted_s
    low, high = shipped_constants().bands["point"]["tpot"]
    _, tpot_s, e2e_s = predicted.T
    return Figures(tpot_s=tpot_s, tpot_low_s=tpot_s * low, tpot_high_s=tpot_s * high, e2e_s=e2e_s)


def trained(data: Path, rows: Sequence[Known]) -> Figures:
    """Return what trees and neighbours predict that never saw each row's configuration point, as wide as their held-out errors."""
    models = models_of(_table(data / "model_shapes.csv"))
    table = table_of(_table(data / "measurements.csv"), models, MemoryOfWhatRan(AnalyticMemory()))
    known, settings = learnable(table, analysed(table, shipped_constants())), Settings(seed=1)
    points = [fold for fold in folds(table) if fold.split is TrainingSplit.POINT]
    told: dict[MeasuredRow, tuple[float, float]] = {}
    for held in tuned(known, settings, lambda _: known, points, lambda *_: None).held():
        ttft_s, tpot_s = (held.analytic_s[:, :2] * np.exp(held.log_factor)).T
        told |= {table.rows[at].row: pair for at, pair in zip(held.fold.scored, zip(ttft_s, tpot_s, strict=True), strict=True)}
    ttft_s, tpot_s = np.array([told.get(row, (np.nan, np.nan)) for row, _, _ in rows]).T
    measured_s = np.array([row.measured.tpot_s for row, _, _ in rows], dtype=np.float64)
    low, high = np.nanquantile(measured_s / tpot_s, (0.05, 0.95))
    output = np.array([run.scenario.workload.output_tokens for _, run, _ in rows])
    return Figures(tpot_s=tpot_s, tpot_low_s=tpot_s * low, tpot_high_s=tpot_s * high, e2e_s=ttft_s + (output - 1.0) * tpot_s)


def points_of(rows: Sequence[Known], figures: Figures) -> Iterator[Point]:
    columns = (figures.tpot_s, figures.tpot_low_s, figures.tpot_high_s, figures.e2e_s)
    for (row, run, line), tpot_s, low_s, high_s, e2e_s in zip(rows, *(column.tolist() for column in columns), strict=True):
        measured = row.measured
        if measured.tpot_s is None or measured.e2e_s is None or not row.concurrency or not np.isfinite(e2e_s):
            continue
        devices = float(line["num_devices"] or run.candidate.devices)
        total = float(line["output_tps_total"] or 0.0) or row.concurrency * (row.output_tokens or 0.0) / measured.e2e_s
        yield Point(
            group=(row.model, row.hardware, row.engine, row.engine_version, row.input_tokens, row.output_tokens),
            measured_tpot_s=measured.tpot_s,
            measured_rate=total / devices,
            predicted_tpot_s=tpot_s,
            predicted_rate=row.concurrency * run.scenario.workload.output_tokens / e2e_s / devices,
            log_tpot=NormalDist((log(low_s) + log(high_s)) / 2.0, max(1e-9, (log(high_s) - log(low_s)) / (2.0 * Z_95))),
        )


def grouped(points: Sequence[Point]) -> list[list[Point]]:
    """Return the groups of enough points."""
    groups: dict[GroupKey, list[Point]] = {}
    for point in points:
        groups.setdefault(point.group, []).append(point)
    return [group for group in groups.values() if len(group) >= LEAST_POINTS]


def pick(group: Sequence[Point], slo_s: float, *, asked: float) -> Pick | None:
    """Return the decision under one TPOT SLO to be kept with a probability, None where no measured configuration keeps it.

    The most output tokens/s per device among what is predicted to keep the SLO; the shortest predicted TPOT where nothing is.
    """
    keeping = [point for point in group if point.measured_tpot_s <= slo_s]
    if not keeping:
        return None
    promising = [point for point in group if point.keeps(slo_s, asked)]
    chosen = max(promising, key=lambda point: point.predicted_rate) if promising else min(group, key=lambda point: point.predicted_tpot_s)
    best = max(point.measured_rate for point in keeping)
    return Pick(violates=chosen.measured_tpot_s > slo_s, regret=max(0.0, 1.0 - chosen.measured_rate / best))


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the correlation of ranks, ties at their mean rank."""
    ranks = [_ranks(np.array(values)) for values in (one, other)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2.0)[inverse.reshape(-1)])


def scored(points: Sequence[Point]) -> dict[str, object]:
    groups = grouped(points)
    correlations = [spearman([point.measured_rate for point in group], [point.predicted_rate for point in group]) for group in groups]
    by_slo = {f"{slo_ms:g} ms": _decided(groups, [slo_ms], asked=MEAN_SUFFICES) for slo_ms in TPOT_SLOS_MS}
    return {
        "groups": len(groups),
        "points": sum(len(group) for group in groups),
        "spearman": round(float(np.mean(correlations)), 4),
        "spearman_median": round(float(np.median(correlations)), 4),
        "by_asked_probability": {f"{asked:g}": _decided(groups, TPOT_SLOS_MS, asked=asked) for asked in ASKED},
        "by_slo": by_slo,
    }


def _decided(groups: Sequence[Sequence[Point]], slos_ms: Sequence[float], *, asked: float) -> dict[str, float]:
    picks = [found for slo_ms in slos_ms for group in groups if (found := pick(group, slo_ms / 1e3, asked=asked)) is not None]
    return _summary(picks)


def _summary(picks: Sequence[Pick]) -> dict[str, float]:
    kept = [found.regret for found in picks if not found.violates]
    return {
        "decisions": len(picks),
        "violating_share": round(float(np.mean([found.violates for found in picks])), 4),
        "regret": round(float(np.mean(kept)), 4),
    }


METHODS: Mapping[str, Callable[[Path, Sequence[Known]], Figures]] = {"heuristic": physics, "regressor": trained}


def main() -> None:
    data = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data")
    rows = known_rows(data)
    results = {name: scored(list(points_of(rows, method(data, rows)))) for name, method in METHODS.items()}
    print(json.dumps(results, indent=1))
    RESULTS.write_text(json.dumps({"rows": len(rows), "aims": AIMS, **results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
