"""The SLO that would be met: how far each has to be relaxed while the others stay as they are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil, floor, log10
from typing import Final

import numpy as np

from budsim.core.engines.candidates import BoolArray, FloatArray
from budsim.core.predictors.protocol import Predictions
from budsim.core.search.change import Change, ChangeKind
from budsim.core.search.columns import take
from budsim.core.search.fitness import meets_slos
from budsim.core.slo import Slo
from budsim.core.units import seconds_to_ms

HALVINGS: Final = 20  # of the interval that holds a target met with a probability
WIDEST: Final = 64.0  # times the mean: no prediction is that wide


@dataclass(frozen=True, slots=True, kw_only=True)
class _Objective:
    """One SLO: how it is read, set, predicted and told."""

    kind: ChangeKind
    asked: float
    relaxed: Callable[[Slo, float], Slo]
    figures: FloatArray
    higher_is_better: bool
    words: Callable[[float], str]


def relaxed_slos(slo: Slo, predictions: Predictions, carriers: BoolArray, *, words: Callable[[int], str]) -> Iterator[Change]:
    """Yield for each set SLO the nearest value with which a candidate meets all of them, where that value is not met as asked.

    Args:
        slo: As asked.
        predictions: Of the candidates, shape (n,).
        carriers: Candidates that carry the target, shape (n,).
        words: Says what the candidate of an index is.
    """
    for objective in _objectives(slo, predictions):
        free = objective.relaxed(slo, _unbounded(objective))
        able = np.flatnonzero(carriers & meets_slos(free, predictions))
        if not len(able):
            continue
        figures = objective.figures[able]
        index = int(able[int(figures.argmax() if objective.higher_is_better else figures.argmin())])
        needed = _needed(objective, slo, take(predictions, np.array([index])), float(objective.figures[index]))
        if (needed < objective.asked) if objective.higher_is_better else (needed > objective.asked):
            sentence = f"{objective.words(needed)} ({words(index)})"
            yield Change(kind=objective.kind, asked=objective.asked, needed=needed, sentence=sentence)


def _needed(objective: _Objective, slo: Slo, one: Predictions, mean: float) -> float:
    """Return the value that one candidate meets with the asked probability, rounded to the easier side."""
    easy, hard = (mean / WIDEST, mean) if objective.higher_is_better else (mean * WIDEST, mean)
    if _met(objective, slo, one, hard):
        return _rounded(objective, hard)
    for _ in range(HALVINGS):
        middle = (easy * hard) ** 0.5
        easy, hard = (middle, hard) if _met(objective, slo, one, middle) else (easy, middle)
    return _rounded(objective, easy)


def _met(objective: _Objective, slo: Slo, one: Predictions, value: float) -> bool:
    return bool(meets_slos(objective.relaxed(slo, value), one)[0])


def _rounded(objective: _Objective, value: float) -> float:
    """Return a value of three digits, or whole milliseconds, that is as easy or easier."""
    digits = max(3, 2 - floor(log10(value)))
    scale = 10.0**digits
    return (floor(value * scale) if objective.higher_is_better else ceil(value * scale)) / scale


def _unbounded(objective: _Objective) -> float:
    return 1e-12 if objective.higher_is_better else 1e12


def _objectives(slo: Slo, predictions: Predictions) -> Iterator[_Objective]:
    if slo.ttft_s:
        yield _Objective(
            kind=ChangeKind.TTFT,
            asked=slo.ttft_s,
            relaxed=lambda slo, value: replace(slo, ttft_s=value),
            figures=predictions.ttft_s,
            higher_is_better=False,
            words=lambda value: f"ask for a TTFT of {seconds_to_ms(value):.0f} ms",
        )
    if slo.throughput_per_user:
        yield _Objective(
            kind=ChangeKind.THROUGHPUT,
            asked=slo.throughput_per_user,
            relaxed=lambda slo, value: replace(slo, throughput_per_user=value),
            figures=predictions.throughput_per_user,
            higher_is_better=True,
            words=lambda value: f"ask for {value:.4g} tokens/s per user",
        )
    if slo.e2e_s:
        yield _Objective(
            kind=ChangeKind.E2E,
            asked=slo.e2e_s,
            relaxed=lambda slo, value: replace(slo, e2e_s=value),
            figures=predictions.e2e_s,
            higher_is_better=False,
            words=lambda value: f"ask for an E2E latency of {value:.4g} s",
        )
