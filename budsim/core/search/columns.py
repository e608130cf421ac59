"""Rows of a table of columns."""

from dataclasses import fields, replace
from typing import Any, Final, TypeVar

import numpy as np

from budsim.core.engines.candidates import BoolArray, IntArray
from budsim.core.memory.plan import MemoryPlan
from budsim.core.predictors.protocol import Interval, Predictions

LONGEST_S: Final = 365 * 86_400.0  # a request that takes longer is as good as never answered [s]

Table = TypeVar("Table", MemoryPlan, Predictions, Interval)


def take(table: Table, where: IntArray) -> Table:
    """Return the rows at these indices."""
    columns: dict[str, Any] = {}
    for field in fields(table):
        column = getattr(table, field.name)
        if column is not None:  # a figure the method does not have
            columns[field.name] = take(column, where) if isinstance(column, Interval) else column[where]
    return replace(table, **columns)


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
