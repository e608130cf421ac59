"""Cross-validated scores of the regressor as Markdown, beside those of physics alone, each on runs that neither saw."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from budsim.core.engines.candidates import FloatArray
from budsim.core.predictors.widths import Widths
from budsim.services.accuracy.predict import Outcome
from budsim.services.accuracy.score import Metric, Score, scores_of
from budsim.services.training.folds import Held, Split
from budsim.services.training.intervals import predicted_s, widths_of
from budsim.services.training.metrics import analytic_outcomes_of, outcomes_of
from budsim.services.training.rows import Table

BEGIN: Final = "<!-- regressor: begin, written by `budsim train --report` -->"
END: Final = "<!-- regressor: end -->"
METRICS: Final = (Metric.TTFT, Metric.TPOT, Metric.E2E)
AIMS: Final[Mapping[Split, str]] = {
    Split.POINT: "18 / 6 / 6",
    Split.SERVER: "– / 10 / 10",
    Split.MODEL: "– / – / 18",
    Split.DEVICE: "– / – / 22",
}
NEARNESS: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 0.9, 1.01)
MIN_GROUP: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Held-out runs of one split: what the regressor and what physics alone predict of them, with their nearness."""

    split: Split
    folds: int
    trained: Sequence[Outcome]
    analytic: Sequence[Outcome]
    nearness: FloatArray


def scored(table: Table, held: Sequence[Held]) -> list[Scored]:
    """Return the held-out runs by split."""
    widths = widths_of(table, held)
    return [_scored(table, split, inside, widths) for split in Split if (inside := [each for each in held if each.fold.split is split])]


def report_of(table: Table, held: Sequence[Held], *, version: str, date: str) -> list[str]:
    """Return the report's lines."""
    splits = scored(table, held)
    clean = int(table.clean.sum())
    lines = [f"Model set {version}, {len(table.rows)} rows, of which {clean} closed loops with means are scored, on {date}. In %.", ""]
    lines += ["| held out | runs | folds | aim, MAPE | regressor, MAPE | regressor, median | physics, MAPE | inside 90 % interval |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    lines += [_split_line(each) for each in splits]
    lines += ["", "TTFT / TPOT / E2E in each cell.", "", "### Regressor, by engine and device type"]
    for each in splits:
        lines += ["", f"{str(each.split).capitalize()} held out:", "", *_groups(each)]
    lines += ["", "### Regressor, by likeness of the nearest measured run", "", *_by_nearness(splits)]
    return lines


def pairs_of(table: Table, held: Sequence[Held]) -> Iterator[tuple[Split, FloatArray, FloatArray, FloatArray]]:
    """Yield, for each fold, its split and of its runs: measured, predicted E2E [s], and nearness."""
    for each in held:
        output = np.array([table.rows[index].run.scenario.workload.output_tokens for index in each.fold.scored], dtype=np.float64)
        yield each.fold.split, table.measured_s[each.fold.scored, 2], predicted_s(each, output)[:, 2], each.nearness[:, 1]


def _scored(table: Table, split: Split, inside: Sequence[Held], widths: Mapping[str, Widths]) -> Scored:
    return Scored(
        split=split,
        folds=len(inside),
        trained=[outcome for each in inside for outcome in outcomes_of(table, each, widths)],
        analytic=[outcome for each in inside for outcome in analytic_outcomes_of(table, each)],
        nearness=np.concatenate([each.nearness[:, 1] for each in inside]),
    )


def _split_line(each: Scored) -> str:
    trained, analytic = scores_of(each.trained), scores_of(each.analytic)
    cells = (
        AIMS[each.split],
        _cell(trained, "mape"),
        _cell(trained, "median_ape"),
        _cell(analytic, "mape"),
        _cell(trained, "coverage"),
    )
    return f"| {each.split} | {len(each.trained)} | {each.folds} | {' | '.join(cells)} |"


def _groups(each: Scored) -> Iterator[str]:
    yield "| | runs | regressor, MAPE | physics, MAPE | inside 90 % interval |"
    yield "|---|---|---|---|---|"
    names = [f"{outcome.row.engine}, {outcome.row.device_type}" for outcome in each.trained]
    for name in sorted(set(names)):
        chosen = [index for index, found in enumerate(names) if found == name]
        if len(chosen) >= MIN_GROUP:
            trained, analytic = (scores_of([kind[index] for index in chosen]) for kind in (each.trained, each.analytic))
            cells = (_cell(trained, "mape"), _cell(analytic, "mape"), _cell(trained, "coverage"))
            yield f"| {name} | {len(chosen)} | {' | '.join(cells)} |"


def _by_nearness(splits: Sequence[Scored]) -> Iterator[str]:
    yield "| likeness | runs, all splits | MAPE | inside 90 % interval |"
    yield "|---|---|---|---|"
    outcomes = [outcome for each in splits for outcome in each.trained]
    nearness = np.concatenate([each.nearness for each in splits])
    for low, high in itertools.pairwise(NEARNESS):
        chosen = [outcomes[index] for index in np.flatnonzero((nearness >= low) & (nearness < high))]
        if len(chosen) >= MIN_GROUP:
            found = scores_of(chosen)
            yield f"| {low:.1f}…{min(high, 1.0):.1f} | {len(chosen)} | {_cell(found, 'mape')} | {_cell(found, 'coverage')} |"


def _cell(found: Mapping[Metric, Score], name: str) -> str:
    values = [getattr(found[metric], name) if metric in found else None for metric in METRICS]
    return " / ".join("–" if value is None else f"{100 * value:.1f}" for value in values)
