"""Conformal intervals: quantiles of the errors of runs held out, wider the less near the nearest run that was seen."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from budsim.core.engines.candidates import FloatArray
from budsim.core.predictors.widths import Widths
from budsim.services.training.folds import Held
from budsim.services.training.rows import Table

BINS: Final = 10
COVERED: Final = 0.9
NOTHING_NEAR: Final = {"ttft": 4.0, "tpot": 1.8, "e2e": 1.8}  # factor where no run tells anything (PHYSICS: ×/÷1.8 on unseen models)


def predicted_s(held: Held, output_tokens: FloatArray) -> FloatArray:
    """Return TTFT, TPOT and E2E of the scored runs of a fold, shape (runs, 3). [s]"""
    both = held.analytic_s[:, :2] * np.exp(held.log_factor)
    return np.column_stack([both, both[:, 0] + (output_tokens - 1.0) * both[:, 1]])


def widths_of(table: Table, held: Sequence[Held]) -> Mapping[str, Widths]:
    """Return the widths of TTFT, TPOT and E2E from all folds of all splits, each split weighing what it has of runs.

    E2E is as near as TPOT.
    """
    output = np.array([each.run.scenario.workload.output_tokens for each in table.rows], dtype=np.float64)
    errors = np.concatenate([np.log(table.measured_s[each.fold.scored] / predicted_s(each, output[each.fold.scored])) for each in held])
    nearness = np.concatenate([each.nearness for each in held])
    return {
        name: _widths(nearness[:, min(index, 1)], errors[:, index], NOTHING_NEAR[name])
        for index, name in enumerate(("ttft", "tpot", "e2e"))
    }


def _widths(nearness: FloatArray, errors: FloatArray, nothing_near: float) -> Widths:
    order = np.argsort(nearness, kind="stable")
    knots, low, high = [0.0], [-np.log(nothing_near)], [np.log(nothing_near)]
    for part in np.array_split(order, BINS):
        knots.append(float(np.median(nearness[part])))
        lower, upper = _quantiles(errors[part])
        low.append(lower)
        high.append(upper)
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
