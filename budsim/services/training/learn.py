"""From rows to what is shipped: trees on the logarithmic errors of physics, kriging on what the trees leave."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from budsim.core.engines.candidates import BoolArray, FloatArray, IntArray
from budsim.core.predictors.likeness import COLUMNS
from budsim.core.predictors.neighbours import Neighbours
from budsim.services.training.boost import Sample, grown, told
from budsim.services.training.krige import Kriged, kriged
from budsim.services.training.rows import Analysed, Table
from budsim.services.training.settings import DECODE_SHARE, FARTHEST, MEDIAN_NOISE, TARGETS, WEIGHTS, Settings

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedTarget:
    """What was learned of one target.

    Attributes:
        rows: Indices of the rows that kriging holds.
        left: What the trees leave of each row's error, shape (all rows,).
    """

    booster: "Booster"
    kriged: Kriged
    rows: IntArray
    left: FloatArray

    @property
    def neighbours(self) -> Neighbours:
        """What measured runs tell."""
        return self.kriged.neighbours(self.left[self.rows])


def learnable(table: Table, physics: Analysed) -> Learnable:
    """Return the rows with what physics leaves to be learned."""
    with np.errstate(invalid="ignore"):
        logs = np.log(table.measured_s / physics.analytic_s)
    output = np.array([each.run.scenario.workload.output_tokens for each in table.rows], dtype=np.float64)
    decoding = (output - 1.0) * physics.analytic_s[:, 1] / physics.analytic_s[:, 2]
    by_e2e = np.isnan(logs[:, 1]) & (decoding > DECODE_SHARE)
    errors = np.stack([logs[:, 0], np.where(by_e2e, logs[:, 2], logs[:, 1])], axis=1)
    kinds = ["clean" if each.clean else "static" if each.static else "median" for each in table.rows]
    return Learnable(
        table=table,
        features=physics.features,
        analytic_s=physics.analytic_s,
        errors=errors,
        weights=np.array([WEIGHTS[kind] for kind in kinds]),
    )


def learned(rows: Learnable, settings: Settings, said: Steps) -> Mapping[str, LearnedTarget]:
    """Return what all rows teach of every target."""
    found = {}
    for index, name in enumerate(TARGETS):
        found[name] = _target(rows, index, settings)
        said(f"learned: {name}", index + 1, len(TARGETS))
    return found


def trees_without(rows: Learnable, target: int, held: BoolArray, settings: Settings) -> "Booster":
    """Return the trees that the rows not held out teach of a target."""
    used = rows.usable(target) & ~held
    sample = Sample(features=rows.features[used], errors=rows.errors[used, target], weights=rows.weights[used, target])
    return grown(sample, TARGETS[target], settings.trees, seed=settings.seed, threads=settings.threads)


def _target(rows: Learnable, target: int, settings: Settings) -> LearnedTarget:
    booster = trees_without(rows, target, np.zeros(len(rows.errors), dtype=np.bool_), settings)
    left = rows.errors[:, target] - settings.trust * told(booster, rows.features)
    served = np.flatnonzero(np.isfinite(rows.errors[:, target]) & ~rows.table.static)
    noise = np.where([rows.table.rows[index].median for index in served], MEDIAN_NOISE[target], 1.0)
    points = rows.features[served][:, COLUMNS]
    return LearnedTarget(
        booster=booster,
        kriged=kriged(points, left[served], noise, settings.kernels[TARGETS[target]]),
        rows=served,
        left=left,
    )
