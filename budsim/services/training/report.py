"""Cross-validated scores of the regressor as Markdown, beside those of physics alone, each on runs that neither saw."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from budsim.core.engines.candidates import FloatArray
from budsim.services.accuracy.rows import RowMode
from budsim.services.accuracy.score import Metric, Score, scores_of
from budsim.services.training.card import Lineage
from budsim.services.training.folds import Held, Split
from budsim.services.training.intervals import predicted_s
from budsim.services.training.metrics import Judged
from budsim.services.training.rows import Table
from budsim.services.training.settings import Way

BEGIN: Final = "<!-- regressor: begin, written by `budsim train --report` -->"
END: Final = "<!-- regressor: end -->"
METRICS: Final = (Metric.TTFT, Metric.TPOT, Metric.E2E)
AIMS: Final[Mapping[Split, str]] = {
    Split.POINT: "18 / 6 / 6",
    Split.SERVER: "– / 10 / 10",
    Split.MODEL: "– / – / 18",
    Split.DEVICE: "– / – / 22",
}
NO_AIM: Final = "–"
NEARNESS: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 0.9, 1.01)
MIN_GROUP: Final = 8


def report_of(table: Table, splits: Sequence[Judged], batches: Sequence[Judged], *, lineage: Lineage, ways: Mapping[str, Way]) -> list[str]:
    """Return the report's lines: closed loops by split, by pair and by likeness, then static batches.

    Args:
        table: The rows.
        splits: Held-out closed loops; `batches` held-out static batches.
        batches: The others.
        lineage: Version and date of the set.
        ways: What was chosen for each target.
    """
    clean = int(table.clean.sum())
    lines = [
        f"Model set {lineage.version}, {len(table.rows)} rows, of which {clean} closed loops with means are scored, on {lineage.date}."
    ]
    lines += ["In %. TTFT / TPOT / E2E in each cell.", "", *_by_split(splits)]
    lines += ["", "Chosen on all rows:", "", *(_chosen(name, way) for name, way in ways.items())]
    lines += ["", "### Regressor, by engine and device type"]
    for each in splits:
        lines += ["", f"{str(each.split).capitalize()} held out:", "", *_groups(each)]
    lines += ["", "### Regressor, by likeness of the nearest measured run", "", *_by_nearness(splits)]
    lines += ["", "### Regressor, static batches", "", *_by_split(batches)]
    return lines


def _by_split(splits: Sequence[Judged]) -> Iterator[str]:
    yield (
        "| held out | runs | folds | aim, MAPE | regressor, MAPE | regressor, median | physics, MAPE | physics, median |"
        " inside 90 % interval |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for each in splits:
        trained, analytic = scores_of(each.trained), scores_of(each.analytic)
        cells = (
            NO_AIM if each.trained[0].row.mode == RowMode.STATIC_BATCH else AIMS.get(each.split, NO_AIM),
            _cell(trained, "mape"),
            _cell(trained, "median_ape"),
            _cell(analytic, "mape"),
            _cell(analytic, "median_ape"),
            _cell(trained, "coverage"),
        )
        yield f"| {each.split} | {len(each.trained)} | {each.folds} | {' | '.join(cells)} |"


def _chosen(name: str, way: Way) -> str:
    kernel = way.kernel
    return (
        f"- {name.upper()}: trees of depth {way.trees.depth}, of which {way.trust:g} is believed (static batches: {way.batch_trust:g});"
        f" kriging with a noise of {kernel.noise:.2g}, {kernel.far[0]:.2g} e-folds of users far and {kernel.near[0]:.2g} near,"
        f" believed by likeness of model ^ {kernel.fade_model:g} and of run ^ {kernel.fade_run:g}"
    )


def pairs_of(table: Table, held: Sequence[Held]) -> Iterator[tuple[Split, FloatArray, FloatArray, FloatArray]]:
    """Yield, for each fold, its split and of its runs: measured, predicted E2E [s], and nearness."""
    for each in held:
        output = np.array([table.rows[index].run.scenario.workload.output_tokens for index in each.fold.scored], dtype=np.float64)
        yield each.fold.split, table.measured_s[each.fold.scored, 2], predicted_s(each, output)[:, 2], each.nearness[:, 1]


def _groups(each: Judged) -> Iterator[str]:
    yield "| | runs | regressor, MAPE | physics, MAPE | inside 90 % interval |"
    yield "|---|---|---|---|---|"
    names = [f"{outcome.row.engine}, {outcome.row.device_type}" for outcome in each.trained]
    for name in sorted(set(names)):
        chosen = [index for index, found in enumerate(names) if found == name]
        if len(chosen) >= MIN_GROUP:
            trained, analytic = (scores_of([kind[index] for index in chosen]) for kind in (each.trained, each.analytic))
            cells = (_cell(trained, "mape"), _cell(analytic, "mape"), _cell(trained, "coverage"))
            yield f"| {name} | {len(chosen)} | {' | '.join(cells)} |"


def _by_nearness(splits: Sequence[Judged]) -> Iterator[str]:
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
