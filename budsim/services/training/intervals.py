"""Conformal intervals: quantiles of the errors of runs held out, wider the less near the nearest run that was seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from budsim.core.engines.candidates import BoolArray, FloatArray, IntArray
from budsim.core.predictors.widths import Widths
from budsim.services.training.folds import Held, Split
from budsim.services.training.rows import Table

BINS: Final = 10
COVERED: Final = 0.9
LATENCIES: Final = ("ttft", "tpot", "e2e")
BATCH: Final = "batch_"  # before the name of a latency: that of static batches
HARD: Final = frozenset(Split) - {Split.POINT, Split.SERVER}  # a batch that is asked for is seldom like one that was measured
NOTHING_NEAR: Final = {"ttft": 4.0, "tpot": 1.8, "e2e": 1.8}  # factor where no run tells anything (PHYSICS: ×/÷1.8 on unseen models)
LEAST_WIDTH: Final = 0.01  # of a logarithm: no point is measured more closely
OWN_RUNS: Final = 40.0  # a pair of so many runs is half believed in how far its errors go beyond those of all
UNKNOWN_PAIR: Final = 1.3  # times that intervals of a pair without runs are wider


def predicted_s(held: Held, output_tokens: FloatArray) -> FloatArray:
    """Return TTFT, TPOT and E2E of the scored runs of a fold, shape (runs, 3). [s]"""
    both = held.analytic_s[:, :2] * np.exp(held.log_factor)
    return np.column_stack([both, both[:, 0] + (output_tokens - 1.0) * both[:, 1]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Misses:
    """Logarithmic errors of held-out runs, over all folds.

    Attributes:
        index: Row of each, shape (m,).
        hard: Whether its fold took away more than points or layouts, shape (m,).
        nearness: By target, shape (m, 2).
        errors: log(measured / predicted) of TTFT, TPOT and E2E, NaN where not measured, shape (m, 3).
    """

    index: IntArray
    hard: BoolArray
    nearness: FloatArray
    errors: FloatArray

    def under(self, mask: BoolArray) -> "Misses":
        """Return those under a mask, shape (m,)."""
        return Misses(index=self.index[mask], hard=self.hard[mask], nearness=self.nearness[mask], errors=self.errors[mask])


def misses_of(table: Table, held: Sequence[Held]) -> Misses:
    """Return the errors of the scored rows of these folds."""
    output = np.array([each.run.scenario.workload.output_tokens for each in table.rows], dtype=np.float64)
    errors = [np.log(table.measured_s[each.fold.scored] / predicted_s(each, output[each.fold.scored])) for each in held]
    return Misses(
        index=np.concatenate([each.fold.scored for each in held]) if held else np.zeros(0, dtype=np.int64),
        hard=np.array([each.fold.split in HARD for each in held for _ in each.fold.scored], dtype=np.bool_),
        nearness=np.concatenate([each.nearness for each in held]) if held else np.zeros((0, 2)),
        errors=np.concatenate(errors) if held else np.zeros((0, 3)),
    )


def widths_of(misses: Misses) -> Mapping[str, Widths]:
    """Return the widths of TTFT, TPOT and E2E of closed loops, E2E being as near as TPOT."""
    return {
        name: _widths(misses.nearness[:, min(index, 1)], misses.errors[:, index], NOTHING_NEAR[name])
        for index, name in enumerate(LATENCIES)
    }


def batch_widths_of(misses: Misses) -> Mapping[str, Widths]:
    """Return the widths of static batches, the same for all: of folds that took away more than points or layouts."""
    found = {}
    for index, name in enumerate(LATENCIES):
        widest = float(np.log(NOTHING_NEAR[name]))
        errors = misses.errors[misses.hard, index]
        known = errors[np.isfinite(errors)]
        low, high = _quantiles(known) if len(known) else (0.0, 0.0)
        found[BATCH + name] = Widths(nearness=np.zeros(1), low=np.array([min(low, -widest)]), high=np.array([max(high, widest)]))
    return found


def widened(widths: Mapping[str, Widths], own: Misses) -> Mapping[str, Widths]:
    """Return widths as a pair needs them: never narrower, and the wider the farther its own held-out errors go beyond.

    How far they do is drawn to that of a pair nothing is known of, the more so the fewer runs it has.

    Args:
        widths: Of all pairs together.
        own: Errors of the runs of the pair.
    """
    runs = len(np.unique(own.index))
    found = {}
    for index, name in enumerate(LATENCIES):
        around, errors = widths[name].at(own.nearness[:, min(index, 1)]), own.errors[:, index]
        beyond = np.where(errors > 0.0, errors / around.high, errors / around.low)
        known = beyond[np.isfinite(beyond)]
        needed = max(1.0, float(np.quantile(known, COVERED))) if len(known) else 1.0
        factor = max(1.0, (runs * needed + OWN_RUNS * UNKNOWN_PAIR) / (runs + OWN_RUNS))
        found[name] = Widths(nearness=widths[name].nearness, low=widths[name].low * factor, high=widths[name].high * factor)
    return found


def _widths(nearness: FloatArray, errors: FloatArray, nothing_near: float) -> Widths:
    known = np.isfinite(errors)
    nearness, errors = nearness[known], errors[known]
    order = np.argsort(nearness, kind="stable")
    knots, low, high = [0.0], [-np.log(nothing_near)], [np.log(nothing_near)]
    for part in np.array_split(order, BINS) if len(order) >= BINS else ():
        knots.append(float(np.median(nearness[part])))
        lower, upper = _quantiles(errors[part])
        low.append(min(lower, -LEAST_WIDTH))
        high.append(max(upper, LEAST_WIDTH))
    # what is farther is known no better
    low_out = np.minimum.accumulate(np.array(low)[::-1])[::-1]
    high_out = np.maximum.accumulate(np.array(high)[::-1])[::-1]
    return Widths(nearness=np.array(knots), low=low_out, high=high_out)


def _quantiles(errors: FloatArray) -> tuple[float, float]:
    """Return both ends of a conformal interval: with n errors, the (n + 1)·q-th.

    Source:
        Split conformal prediction, Vovk et al. 2005; each end by itself, as Romano et al. 2019.
    """
    count = len(errors)
    beyond = min(0.5, (1.0 - COVERED) / 2.0 * (1.0 + 1.0 / count) - 1.0 / count) if count > 1 / (1.0 - COVERED) else 0.0
    return float(np.quantile(errors, max(0.0, beyond))), float(np.quantile(errors, 1.0 - max(0.0, beyond)))
