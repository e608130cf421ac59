"""From rows to what is shipped: trees on the logarithmic errors of physics, kriging on what the trees leave."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from budsim.core.engines.candidates import BoolArray, FloatArray, IntArray
from budsim.core.predictors.likeness import COLUMNS, Kernel
from budsim.core.predictors.neighbours import Neighbours
from budsim.services.training.boost import Sample, Trees, grown, told
from budsim.services.training.krige import Kriged, kriged
from budsim.services.training.rows import Analysed, Table
from budsim.services.training.settings import BALANCE, DECODE_SHARE, FARTHEST, MEDIAN_NOISE, TARGETS, WEIGHTS, Settings, Way

if TYPE_CHECKING:
    from xgboost import Booster


Steps = Callable[[str, int, int], None]  # what is done, how many of it, of how many


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnable:
    """Rows with their physics and what is to be learned.

    Attributes:
        errors: log(measured / analytic) of TTFT and TPOT, NaN where there is none, shape (n, 2).
        weights: Shape (n, 2).
    """

    table: Table
    features: FloatArray
    analytic_s: FloatArray
    errors: FloatArray
    weights: FloatArray

    def usable(self, target: int) -> BoolArray:
        """Return the rows that tell something of a target, shape (n,)."""
        return np.isfinite(self.errors[:, target]) & (np.abs(np.nan_to_num(self.errors[:, target])) < FARTHEST)

    def served(self, target: int) -> IntArray:
        """Return the indices of the rows that kriging holds: closed loops that tell of a target."""
        return np.flatnonzero(np.isfinite(self.errors[:, target]) & ~self.table.static)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedTarget:
    """What was learned of one target, and in which way."""

    way: Way
    booster: "Booster"
    neighbours: Neighbours


def learnable(table: Table, physics: Analysed) -> Learnable:
    """Return the rows with what physics leaves to be learned."""
    with np.errstate(invalid="ignore"):
        logs = np.log(table.measured_s / physics.analytic_s)
    output = np.array([each.run.scenario.workload.output_tokens for each in table.rows], dtype=np.float64)
    decoding = (output - 1.0) * physics.analytic_s[:, 1] / physics.analytic_s[:, 2]
    by_e2e = np.isnan(logs[:, 1]) & (decoding > DECODE_SHARE)
    return Learnable(
        table=table,
        features=physics.features,
        analytic_s=physics.analytic_s,
        errors=np.stack([logs[:, 0], np.where(by_e2e, logs[:, 2], logs[:, 1])], axis=1),
        weights=_weights(table),
    )


def _weights(table: Table) -> FloatArray:
    """Return what each row weighs, shape (n, 2): by what was measured, and less where a model, engine and device were measured often."""
    base = np.array([WEIGHTS["clean" if each.clean else "static" if each.static else "median"] for each in table.rows])
    often = Counter(row.kind for row in table.rows)
    shared = base * np.array([float(often[row.kind]) ** -BALANCE for row in table.rows])[:, None]
    return np.asarray(shared * base.sum(axis=0) / shared.sum(axis=0))


def learned(rows: Learnable, ways: Mapping[str, Way], settings: Settings, said: Steps) -> Mapping[str, LearnedTarget]:
    """Return what all rows teach of every target, each in its way."""
    found = {}
    for target, name in enumerate(TARGETS):
        way = ways[name]
        booster = trees_without(rows, target, way.trees, settings)
        left = rows.errors[:, target] - way.trust * told(booster, rows.features)
        runs = kriging(rows, target, left, way.kernel)
        found[name] = LearnedTarget(way=way, booster=booster, neighbours=runs.neighbours(left[rows.served(target)]))
        said(f"learned: {name}", target + 1, len(TARGETS))
    return found


def trees_without(rows: Learnable, target: int, trees: Trees, settings: Settings, *, held: BoolArray | None = None) -> "Booster":
    """Return the trees that the rows not held out teach of a target."""
    used = rows.usable(target) if held is None else rows.usable(target) & ~held
    sample = Sample(features=rows.features[used], errors=rows.errors[used, target], weights=rows.weights[used, target])
    return grown(sample, TARGETS[target], trees, seed=settings.seed, threads=settings.threads)


def kriging(rows: Learnable, target: int, left: FloatArray, kernel: Kernel) -> Kriged:
    """Return the closed loops ready to tell what trees left of their errors, shape (all rows,)."""
    served = rows.served(target)
    noise = np.where([rows.table.rows[index].median for index in served], MEDIAN_NOISE[target], 1.0)
    return kriged(rows.features[served][:, COLUMNS], left[served], noise, kernel)


def faded(kernel: Kernel, fades: tuple[float, float]) -> Kernel:
    """Return a kernel that believes runs by other powers (fade_model, fade_run) of how new a candidate is."""
    return replace(kernel, fade_model=fades[0], fade_run=fades[1])
