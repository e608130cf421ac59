"""The SLO that would be met: how far each has to be relaxed while the others stay as they are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import ceil, floor, log10
from typing import Final

import numpy as np

from budsim.core.engines.candidates import BoolArray, FloatArray
from budsim.core.predictors.protocol import Predictions
from budsim.core.search.change import Also, Change, ChangeKind
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
        if _is_easier(objective, needed):
            sentence = f"{objective.words(needed)} ({words(index)})"
            yield Change(kind=objective.kind, asked=objective.asked, needed=needed, sentence=sentence)


def relaxed_pair(slo: Slo, predictions: Predictions, carriers: BoolArray, *, words: Callable[[int], str]) -> Iterator[Change]:
    """Yield the two SLOs that have to be relaxed together by least, where the others can stay as they are.

    Args:
        slo: As asked.
        predictions: Of the candidates, shape (n,).
        carriers: Candidates that carry the target, shape (n,).
        words: Says what the candidate of an index is.
    """
    pairs = combinations(list(_objectives(slo, predictions)), 2)
    found = [change for pair in pairs if (change := _together(pair, slo, predictions, carriers, words)) is not None]
    yield from sorted(found, key=lambda change: change.distance)[:1]


def _together(
    pair: tuple[_Objective, _Objective], slo: Slo, predictions: Predictions, carriers: BoolArray, words: Callable[[int], str]
) -> Change | None:
    free = _relaxed(pair, slo, [_unbounded(each) for each in pair])
    able = np.flatnonzero(carriers & meets_slos(free, predictions))
    if not len(able):
        return None
    strained = np.prod([_strain(each, each.figures[able]) for each in pair], axis=0)
    index = int(able[int(strained.argmin())])
    needed = _needed_of_both(pair, slo, take(predictions, np.array([index])), [float(each.figures[index]) for each in pair])
    if not all(_is_easier(each, value) for each, value in zip(pair, needed, strict=True)):
        return None  # one of them is met as it was asked
    first, second = pair
    return Change(
        kind=first.kind,
        asked=first.asked,
        needed=needed[0],
        sentence=f"{first.words(needed[0])} and {second.words(needed[1]).removeprefix('ask for ')} ({words(index)})",
        also=(Also(kind=second.kind, asked=second.asked, needed=needed[1]),),
    )


def _needed_of_both(pair: tuple[_Objective, _Objective], slo: Slo, one: Predictions, means: Sequence[float]) -> list[float]:
    """Return the values that one candidate meets with the asked probability, as far from its means as need be, and rounded."""

    def away(factor: float) -> list[float]:
        return [mean / factor if each.higher_is_better else mean * factor for each, mean in zip(pair, means, strict=True)]

    far, near = WIDEST, 1.0
    for _ in range(HALVINGS):
        middle = (far * near) ** 0.5
        far, near = (middle, near) if meets_slos(_relaxed(pair, slo, away(middle)), one)[0] else (far, middle)
    factor = 1.0 if meets_slos(_relaxed(pair, slo, means), one)[0] else far
    return [_rounded(each, value) for each, value in zip(pair, away(factor), strict=True)]


def _relaxed(pair: tuple[_Objective, _Objective], slo: Slo, values: Sequence[float]) -> Slo:
    for each, value in zip(pair, values, strict=True):
        slo = each.relaxed(slo, value)
    return slo


def _strain(objective: _Objective, figures: FloatArray) -> FloatArray:
    """Return by which factor the target would have to be relaxed, at least 1, shape (n,)."""
    return np.maximum(1.0, objective.asked / figures if objective.higher_is_better else figures / objective.asked)


def _is_easier(objective: _Objective, value: float) -> bool:
    return value < objective.asked if objective.higher_is_better else value > objective.asked


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
