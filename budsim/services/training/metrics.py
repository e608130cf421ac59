"""Scores of held-out runs, by the code that scores every prediction."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from budsim.core.engines.candidates import FloatArray, IntArray
from budsim.services.accuracy.predict import OK, Outcome, Predicted, Range
from budsim.services.accuracy.score import scores_of
from budsim.services.training.card import Pair
from budsim.services.training.folds import Held, Split
from budsim.services.training.intervals import BATCH, LATENCIES, Misses, batch_widths_of, misses_of, predicted_s, widened, widths_of
from budsim.services.training.rows import Table, TrainingRow

ALL: Final = "all pairs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Held-out runs of one split, what is predicted of each, and what by physics alone.

    Attributes:
        index: Row of each.
        nearness: Likeness of the nearest run that was seen, by TPOT, shape (runs,).
    """

    split: Split
    folds: int
    index: IntArray
    trained: Sequence[Outcome]
    analytic: Sequence[Outcome]
    nearness: FloatArray


def judged(table: Table, held: Sequence[Held], pairs: Sequence[Pair], *, batches: bool = False) -> list[Judged]:
    """Return the held-out runs by split; the intervals of a fold come from the rows that it does not hold.

    Args:
        table: The rows.
        held: Predictions of every fold.
        pairs: Pairs whose intervals are wider than those of all.
        batches: Whether the runs are static batches.
    """
    misses, pair_of = misses_of(table, held), _pair_of(table, pairs)
    outcomes = [_outcomes(table, each, misses.under(~each.fold.held[misses.index]), pair_of, batches) for each in held]
    found = []
    for split in Split:
        inside = [(each, listed) for each, listed in zip(held, outcomes, strict=True) if each.fold.split is split]
        if inside:
            found.append(
                Judged(
                    split=split,
                    folds=len(inside),
                    index=np.concatenate([each.fold.scored for each, _ in inside]),
                    trained=[outcome for _, listed in inside for outcome in listed],
                    analytic=[outcome for each, _ in inside for outcome in analytic_outcomes_of(table, each)],
                    nearness=np.concatenate([each.nearness[:, 1] for each, _ in inside]),
                )
            )
    return found


def metrics_of(table: Table, splits: Sequence[Judged], pair: Pair) -> dict[str, Any]:
    """Return the scores of every split, over all runs and over a pair's own."""
    found: dict[str, Any] = {}
    for each in splits:
        own = [outcome for index, outcome in zip(each.index, each.trained, strict=True) if pair.holds(table.rows[index])]
        groups = {ALL: each.trained, **({f"{pair.engine} on {pair.device_type}": own} if own else {})}
        found[each.split.value] = {name: _scores(listed) for name, listed in groups.items()}
    return found


def _scores(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {metric.value: _rounded(asdict(score)) for metric, score in scores_of(outcomes).items()}


def _pair_of(table: Table, pairs: Sequence[Pair]) -> IntArray:
    """Return the number of each row's pair, −1 for none, shape (n,)."""
    return np.array([next((number for number, pair in enumerate(pairs) if pair.holds(row)), -1) for row in table.rows], dtype=np.int64)


def _outcomes(table: Table, held: Held, others: Misses, pair_of: IntArray, batches: bool) -> list[Outcome]:
    """Return the held-out runs of a fold with what is predicted of them, with intervals from the errors of other rows."""
    rows = [table.rows[index] for index in held.fold.scored]
    output = np.array([row.run.scenario.workload.output_tokens for row in rows], dtype=np.float64)
    found = predicted_s(held, output)
    low, high = np.zeros_like(found), np.zeros_like(found)
    pooled = batch_widths_of(others) if batches else widths_of(others)
    for number in np.unique(pair_of[held.fold.scored]):
        mine = np.flatnonzero(pair_of[held.fold.scored] == number)
        widths = pooled if batches else widened(pooled, others.under(pair_of[others.index] == number))
        for column, name in enumerate(LATENCIES):
            around = widths[(BATCH if batches else "") + name].at(held.nearness[mine, min(column, 1)])
            low[mine, column], high[mine, column] = (
                found[mine, column] * np.exp(around.low),
                found[mine, column] * np.exp(around.high),
            )
    return [_outcome(row, *figures) for row, *figures in zip(rows, found.tolist(), low.tolist(), high.tolist(), strict=True)]


def _outcome(row: TrainingRow, mean: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Outcome:
    ttft, tpot, e2e = (Range(mean=mean[at], low=low[at], high=high[at]) for at in range(len(LATENCIES)))
    rate = _rate(e2e, row.run.scenario.workload.output_tokens)
    return Outcome(
        row=row.row, status=OK, predicted=Predicted(ttft_s=ttft, tpot_s=tpot, e2e_s=e2e, throughput_per_user=rate, saturated=False)
    )


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


def _rate(e2e: Range, tokens: float) -> Range:
    return Range(mean=tokens / e2e.mean, low=tokens / (e2e.high or e2e.mean), high=tokens / (e2e.low or e2e.mean))


def _rounded(score: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in score.items()}
