"""Outcomes as lines of a table, and scores as text."""

from collections.abc import Mapping, Sequence
from typing import Final

from budsim.core.units import seconds_to_ms
from budsim.services.accuracy.predict import Outcome, Predicted, Range
from budsim.services.accuracy.score import Accuracy, Group, Metric, Score

FIGURES: Final = ("predicted_ttft_ms", "predicted_tpot_ms", "predicted_e2e_s", "predicted_output_tps_per_user")
COLUMNS: Final = ("status", *(f"{name}{end}" for name in FIGURES for end in ("", "_low", "_high")))
HEADER: Final = f"{'':44} {'rows':>6}  " + "  ".join(f"{metric + ' MAPE/med/p90/bias/in %':>34}" for metric in Metric)


def outcome_cells(outcome: Outcome) -> dict[str, str]:
    """Return what one line gains: status, and each figure with its 5 % and 95 % quantiles, empty where there is none."""
    cells = dict.fromkeys(COLUMNS, "")
    cells["status"] = outcome.status
    if outcome.predicted is not None:
        for name, figure in zip(FIGURES, _figures(outcome.predicted), strict=True):
            cells |= {name: _cell(figure.mean), f"{name}_low": _cell(figure.low), f"{name}_high": _cell(figure.high)}
    return cells


def _figures(predicted: Predicted) -> Sequence[Range]:
    return _in_ms(predicted.ttft_s), _in_ms(predicted.tpot_s), predicted.e2e_s, predicted.throughput_per_user


def _in_ms(figure: Range) -> Range:
    low, high = (None if each is None else seconds_to_ms(each) for each in (figure.low, figure.high))
    return Range(mean=seconds_to_ms(figure.mean), low=low, high=high)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def report_lines(accuracy: Accuracy) -> list[str]:
    """Return the scores as lines: a group each, then what was not predicted and why."""
    predicted = accuracy.rows - sum(accuracy.unpredicted.values())
    lines = [f"{predicted} of {accuracy.rows} rows predicted, {accuracy.saturated} of them open loops beyond saturation", "", HEADER]
    lines += [_line(group) for group in accuracy.groups]
    if accuracy.unpredicted:
        lines += ["", "not predicted:"] + [f"{count:>6}  {reason}" for reason, count in accuracy.unpredicted.items()]
    return lines


def _line(group: Group) -> str:
    rows = max((score.rows for score in group.scores.values()), default=0)
    return f"{group.name[:44]:44} {rows:>6}  " + "  ".join(f"{_text(group.scores, metric):>34}" for metric in Metric)


def _text(scores: Mapping[Metric, Score], metric: Metric) -> str:
    score = scores.get(metric)
    if score is None:
        return "–"
    coverage = "–" if score.coverage is None else f"{100 * score.coverage:.0f}"
    figures = " / ".join(f"{100 * each:.1f}" for each in (score.mape, score.median_ape, score.p90_ape))
    return f"{figures} / {100 * score.bias:+.1f} / {coverage}"
