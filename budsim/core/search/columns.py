"""Rows of tables of columns."""

from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any, Final, TypeVar

import numpy as np

from budsim.core.engines.candidates import BoolArray, Candidates, IntArray
from budsim.core.memory.plan import MemoryPlan
from budsim.core.predictors.protocol import Interval, Predictions
from budsim.core.search.fitness import Fitness

LONGEST_S: Final = 365 * 86_400.0  # a request that takes longer is as good as never answered [s]

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
    intervals = (predictions.ttft_interval_s, predictions.throughput_interval, predictions.e2e_interval_s)
    figures = [predictions.ttft_s, predictions.tpot_s, predictions.e2e_s, predictions.throughput_per_user]
    figures += [quantile for interval in intervals for quantile in (interval.low, interval.high)]
    positive: BoolArray = (
        (predictions.e2e_s > 0.0) & (predictions.e2e_interval_s.high < LONGEST_S) & (predictions.throughput_per_user > 0.0)
    )
    return positive & np.isfinite(np.stack(figures)).all(axis=0)
