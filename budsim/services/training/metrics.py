"""Scores of held-out runs, by the code that scores every prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from budsim.core.engines.candidates import FloatArray
from budsim.core.predictors.widths import Widths
from budsim.services.accuracy.predict import OK, Outcome, Predicted, Range
from budsim.services.accuracy.score import scores_of
from budsim.services.training.card import Pair
from budsim.services.training.folds import Held, Split
from budsim.services.training.intervals import predicted_s, widths_of
from budsim.services.training.rows import Table

ALL: Final = "all pairs"


def metrics_of(table: Table, held: Sequence[Held], pair: Pair | None = None) -> dict[str, Any]:
    """Return the scores of every split, over all runs and over a pair's own."""
    found: dict[str, Any] = {}
    for split in Split:
        inside = [each for each in held if each.fold.split is split]
        if inside:
            found[split.value] = _both(table, inside, widths_of(table, held), pair)
    return found


def _both(table: Table, held: Sequence[Held], widths: Mapping[str, Widths], pair: Pair | None) -> dict[str, Any]:
    listed = [(index, outcome) for each in held for index, outcome in zip(each.fold.scored, outcomes_of(table, each, widths), strict=True)]
    own = [outcome for index, outcome in listed if pair is not None and pair.holds(table.rows[index])]
    groups = {ALL: [outcome for _, outcome in listed], **({f"{pair.engine} on {pair.device_type}": own} if pair and own else {})}
    return {name: {metric.value: _rounded(asdict(score)) for metric, score in scores_of(each).items()} for name, each in groups.items()}


def outcomes_of(table: Table, held: Held, widths: Mapping[str, Widths]) -> list[Outcome]:
    """Return the held-out runs of a fold with what is predicted of them."""
    rows = [table.rows[index] for index in held.fold.scored]
    output = np.array([row.run.scenario.workload.output_tokens for row in rows], dtype=np.float64)
    found = predicted_s(held, output)
    ranges = [_ranges(found[:, index], held.nearness[:, min(index, 1)], widths[name]) for index, name in enumerate(("ttft", "tpot", "e2e"))]
    return [
        Outcome(
            row=row.row,
            status=OK,
            predicted=Predicted(ttft_s=ttft, tpot_s=tpot, e2e_s=e2e, throughput_per_user=_rate(e2e, tokens), saturated=False),
        )
        for row, ttft, tpot, e2e, tokens in zip(rows, *ranges, output, strict=True)
    ]


def analytic_outcomes_of(table: Table, held: Held) -> list[Outcome]:
    """Return the held-out runs of a fold with what physics alone, that never saw it either, predicts of them."""
    return [
        Outcome(
            row=table.rows[index].row,
            status=OK,
            predicted=Predicted(
                ttft_s=Range(mean=ttft),
                tpot_s=Range(mean=tpot),
                e2e_s=Range(mean=e2e),
                throughput_per_user=Range(mean=table.rows[index].run.scenario.workload.output_tokens / e2e),
                saturated=False,
            ),
        )
        for index, (ttft, tpot, e2e) in zip(held.fold.scored, held.analytic_s.tolist(), strict=True)
    ]


def _ranges(predicted: FloatArray, nearness: FloatArray, widths: Widths) -> list[Range]:
    around = widths.at(nearness)
    low, high = predicted * np.exp(around.low), predicted * np.exp(around.high)
    return [Range(mean=float(mean), low=float(least), high=float(most)) for mean, least, most in zip(predicted, low, high, strict=True)]


def _rate(e2e: Range, tokens: float) -> Range:
    return Range(mean=tokens / e2e.mean, low=tokens / (e2e.high or e2e.mean), high=tokens / (e2e.low or e2e.mean))


def _rounded(score: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in score.items()}
