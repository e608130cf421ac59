"""Cross-validated errors as Markdown: the three splits beside a published simulator, then by fold and by engine and device."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from budsim.core.engines.candidates import FloatArray
from budsim.services.calibration.fit import Observations
from budsim.services.calibration.folds import HeldOut

BEGIN: Final = "<!-- figures: begin, written by `budsim calibrate --cross-validate` -->"
END: Final = "<!-- figures: end -->"
GOALS: Final = (0.45, 0.20, 0.20)
# AIConfigurator 0.12, silicon mode, on measured end-to-end runs (docs of the data, PHYSICS «What accuracy is known to be possible»)
PUBLISHED: Final = ("AIConfigurator 0.12, silicon mode", "55", "28", "29")
MIN_GROUP: Final = 8


def with_figures(document: str, lines: Sequence[str], *, begin: str = BEGIN, end: str = END) -> str:
    """Return a document with the figures between two marks replaced, or with them at its end where it had none."""
    block = "\n".join((begin, "", *lines, "", end))
    if begin in document and end in document:
        before, rest = document.split(begin, 1)
        return before + block + rest.split(end, 1)[1]
    return f"{document.rstrip()}\n\n{block}\n"


def report_of(observed: Observations, held: Sequence[HeldOut], *, date: str) -> list[str]:
    """Return the report's lines."""
    lines = [f"Fitted and checked on {len(observed.groups)} closed-loop runs on {date}; MAPE / median APE, %.", ""]
    lines += ["| held out | runs | folds | TTFT | TPOT | E2E |", "|---|---|---|---|---|---|"]
    for each in held:
        cells = " | ".join(_pair(error) for error in _errors(observed, each).T)
        lines.append(f"| {each.split} | {len(each.rows)} | {len(set(each.fold))} | {cells} |")
    lines.append(f"| aim, each of the three | | | {' | '.join(f'{100 * goal:.0f}' for goal in GOALS)} |")
    lines.append(f"| {PUBLISHED[0]} | | | {' | '.join(PUBLISHED[1:])} |")
    for each in held:
        lines += ["", f"### By {each.split} held out", "", *_groups(observed, each, list(each.fold))]
        names = [f"{observed.engines[index]}, {observed.devices[index]}" for index in each.rows]
        lines += ["", f"### {str(each.split).capitalize()} held out, by engine and device", "", *_groups(observed, each, names)]
    return lines


def offline_report_of(observed: Observations, held: Sequence[HeldOut]) -> list[str]:
    """Return the report's lines on static batches, which are fitted on top of closed loops."""
    lines = ["", f"### Static batches: {len(observed.groups)} runs, their effects refitted without each fold", ""]
    lines += ["| held out | runs | folds | TTFT | TPOT | E2E | median bias of E2E |", "|---|---|---|---|---|---|---|"]
    for each in held:
        cells = " | ".join(_pair(error) for error in _errors(observed, each).T)
        bias = np.nanmedian(each.predicted_s[:, 2] / observed.measured_s[each.rows, 2]) - 1.0
        lines.append(f"| {each.split} | {len(each.rows)} | {len(set(each.fold))} | {cells} | {100 * bias:+.0f} |")
    return lines


def _groups(observed: Observations, held: HeldOut, names: Sequence[str]) -> Iterable[str]:
    errors, column = _errors(observed, held), np.array(names)
    bias = held.predicted_s / observed.measured_s[held.rows] - 1.0
    yield "| | runs | TTFT | TPOT | E2E | median bias of E2E |"
    yield "|---|---|---|---|---|---|"
    for name in sorted(set(names)):
        inside = column == name
        if inside.sum() >= MIN_GROUP:
            cells = " | ".join(_pair(error) for error in errors[inside].T)
            yield f"| {name} | {inside.sum()} | {cells} | {100 * np.median(bias[inside, 2]):+.0f} |"


def _errors(observed: Observations, held: HeldOut) -> FloatArray:
    return np.asarray(np.abs(held.predicted_s / observed.measured_s[held.rows] - 1.0))


def _pair(error: FloatArray) -> str:
    return f"{100 * float(np.nanmean(error)):.1f} / {100 * float(np.nanmedian(error)):.1f}"
