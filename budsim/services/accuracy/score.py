"""Errors of predictions against measurements, over any group of rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from budsim.services.accuracy.predict import Outcome, Predicted, Range
from budsim.services.accuracy.rows import Measured


class Metric(StrEnum):
    """What is compared."""

    TTFT = "TTFT"
    TPOT = "TPOT"
    E2E = "E2E"
    THROUGHPUT = "tok/s/user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Errors of one metric over a group.

    Attributes:
        rows: Rows that have both figures.
        mape: Mean of |predicted / measured − 1|.
        median_ape: Its median; `p90_ape` its 90 % quantile.
        bias: Median of predicted / measured − 1.
        coverage: Share of measurements within the interval; None without intervals.
    """

    rows: int
    mape: float
    median_ape: float
    p90_ape: float
    bias: float
    coverage: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Scores of one group of rows."""

    name: str
    scores: Mapping[Metric, Score]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """What came out.

    Attributes:
        groups: Over all, then by load mode, engine × device type, and model kind.
        unpredicted: Rows that could not be predicted, by reason.
        saturated: Rows of open loops that were predicted as saturated.
    """

    rows: int
    groups: Sequence[Group]
    unpredicted: Mapping[str, int]
    saturated: int


BELOW_FLOOR = "faster than the weights can be read"
ABOVE_FLOOR = "all but those"
_LABELS = ("all", "mode", "engine and device type", "kind")


def accuracy_of(outcomes: Sequence[Outcome]) -> Accuracy:
    """Return the scores of all groups, and the reasons of rows without a prediction."""
    predicted = [outcome for outcome in outcomes if outcome.predicted is not None]
    reasons = [outcome.status for outcome in outcomes if outcome.predicted is None]
    return Accuracy(
        rows=len(outcomes),
        groups=[*_by_label(predicted), *_by_floor(predicted)],
        unpredicted={reason: reasons.count(reason) for reason in sorted(set(reasons), key=lambda each: (-reasons.count(each), each))},
        saturated=sum(outcome.predicted is not None and outcome.predicted.saturated for outcome in outcomes),
    )


def _by_label(predicted: Sequence[Outcome]) -> Iterator[Group]:
    labels = [_labels(outcome) for outcome in predicted]
    for place in range(len(_LABELS)):
        for name in sorted({each[place] for each in labels}):
            yield Group(name=name, scores=scores_of([outcome for outcome, each in zip(predicted, labels, strict=True) if name in each]))


def _by_floor(predicted: Sequence[Outcome]) -> Iterator[Group]:
    """Yield the rows that no device can have run as they say, where there are any, and the others: of a mean error they may be most."""
    impossible = [outcome for outcome in predicted if outcome.below_floor]
    if impossible:
        yield Group(name=BELOW_FLOOR, scores=scores_of(impossible))
        yield Group(name=ABOVE_FLOOR, scores=scores_of([outcome for outcome in predicted if not outcome.below_floor]))


def _labels(outcome: Outcome) -> tuple[str, str, str, str]:
    """Return the groups a row counts in: all, its load mode, its engine × device type, its model's kind."""
    row = outcome.row
    return "all", f"mode {row.mode}", f"{row.engine} × {row.device_type}", outcome.kind


def scores_of(outcomes: Iterable[Outcome]) -> dict[Metric, Score]:
    """Return the score of every metric that was measured at least once."""
    listed = [(outcome.row.measured, outcome.predicted) for outcome in outcomes if outcome.predicted is not None]
    found = {}
    for metric in Metric:
        pairs = [pair for pair in (_pair(metric, measured, predicted) for measured, predicted in listed) if pair is not None]
        if pairs:
            found[metric] = score_of(pairs)
    return found


def _pair(metric: Metric, measured: Measured, predicted: Predicted) -> tuple[float, Range] | None:
    figures = {
        Metric.TTFT: (measured.ttft_s, predicted.ttft_s),
        Metric.TPOT: (measured.tpot_s, predicted.tpot_s),
        Metric.E2E: (measured.e2e_s, predicted.e2e_s),
        Metric.THROUGHPUT: (measured.throughput_per_user, predicted.throughput_per_user),
    }
    value, found = figures[metric]
    return None if value is None else (value, found)


def score_of(pairs: Sequence[tuple[float, Range]]) -> Score:
    """Return the score of pairs of a measured figure and its prediction; at least one."""
    measured = np.array([value for value, _ in pairs])
    ratio = np.array([found.mean for _, found in pairs]) / measured
    error = np.abs(ratio - 1.0)
    within = [found.low <= value <= found.high for value, found in pairs if found.low is not None and found.high is not None]
    return Score(
        rows=len(pairs),
        mape=float(error.mean()),
        median_ape=float(np.median(error)),
        p90_ape=float(np.quantile(error, 0.9)),
        bias=float(np.median(ratio) - 1.0),
        coverage=float(np.mean(within)) if within else None,
    )
