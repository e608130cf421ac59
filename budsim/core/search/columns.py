"""Rows of tables of columns."""

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any, Final, TypeVar

import numpy as np

from budsim.core.engines.candidates import BoolArray, Candidates, FloatArray, IntArray
from budsim.core.memory.plan import MemoryPlan
from budsim.core.predictors.protocol import Interval, Predictions
from budsim.core.search.fitness import Fitness

LONGEST_S: Final = 365 * 86_400.0  # a request that takes longer is as good as never answered [s]
MEANS: Final = ("ttft_s", "tpot_s", "e2e_s", "throughput_per_user")
RANGES: Final = ("ttft_interval_s", "throughput_interval", "e2e_interval_s")

Table = TypeVar("Table", Candidates, MemoryPlan, Predictions, Interval, Fitness)


def take(table: Table, where: IntArray) -> Table:
    """Return the rows at these indices."""
    columns: dict[str, Any] = {}
    kind: Any = type(table)
    for name in _names(kind):
        column = getattr(table, name)
        if column is not None:  # a figure the method does not have
            columns[name] = take(column, where) if isinstance(column, Interval) else column[where]
    taken: Table = kind(**columns)
    return taken


def joined(tables: Sequence[Table]) -> Table:
    """Return the rows of all tables, one table below the other."""
    columns: dict[str, Any] = {}
    kind: Any = type(tables[0])
    for name in _names(kind):
        parts = [getattr(table, name) for table in tables]
        if parts[0] is not None:
            columns[name] = joined(parts) if isinstance(parts[0], Interval) else np.concatenate(parts)
    below: Table = kind(**columns)
    return below


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def finite(predictions: Predictions) -> BoolArray:
    """Return which rows are real predictions: every figure finite, latency and throughput above zero, no request of years, shape (n,).

    An overloaded queue has no finite latency, and JSON has no infinity; a device sent with next to no bandwidth never finishes.
    """
    positive: BoolArray = (
        (predictions.e2e_s > 0.0) & (predictions.e2e_interval_s.high < LONGEST_S) & (predictions.throughput_per_user > 0.0)
    )
    return positive & np.isfinite(figures_of(predictions)).all(axis=0)


def figures_of(predictions: Predictions) -> FloatArray:
    """Return what a verdict is made of: the means of `MEANS` and, in pairs, the quantiles of `RANGES`, one a row, shape (10, n)."""
    intervals = [getattr(predictions, name) for name in RANGES]
    quantiles = [quantile for interval in intervals for quantile in (interval.low, interval.high)]
    return np.stack([*(getattr(predictions, name) for name in MEANS), *quantiles])


def with_figures(predictions: Predictions, figures: FloatArray) -> Predictions:
    """Return predictions with other figures, shape (10, n), in the order of `figures_of`."""
    means = dict(zip(MEANS, figures, strict=False))
    lows, highs = figures[len(MEANS) :: 2], figures[len(MEANS) + 1 :: 2]
    ranges = {name: Interval(low=low, high=high) for name, low, high in zip(RANGES, lows, highs, strict=True)}
    changed: dict[str, Any] = {**means, **ranges}
    return replace(predictions, **changed)
