"""Drawings of held-out runs: predicted against measured, and error by distance."""

from collections.abc import Iterable, Sequence
from math import log10
from pathlib import Path
from typing import Final

from budsim.core.elementwise import FloatArray
from budsim.services.training.folds import Split

Runs = Iterable[tuple[Split, FloatArray, FloatArray, FloatArray]]
DRAWN: Final = 400  # runs of a split: more dots hide each other


def draw_runs(runs: Runs, folder: Path) -> Sequence[Path]:
    """Write both drawings as SVG and return their paths: E2E predicted over measured, and its error over likeness."""
    import leather

    dots: dict[Split, list[tuple[float, float, float]]] = {}
    for split, measured, predicted, nearness in runs:
        dots.setdefault(split, []).extend(zip(measured.tolist(), predicted.tolist(), nearness.tolist(), strict=True))
    found = (folder / "predicted_over_measured.svg", folder / "error_by_likeness.svg")
    folder.mkdir(parents=True, exist_ok=True)
    agreement, distance = leather.Grid(), leather.Grid()
    for split, listed in dots.items():
        shown = listed[:: max(1, len(listed) // DRAWN)]
        agreement.add_one(_agreement(split, shown))
        distance.add_one(_distance(split, shown))
    agreement.to_svg(str(found[0]))
    distance.to_svg(str(found[1]))
    return found


def _agreement(split: Split, shown: Sequence[tuple[float, float, float]]):  # type: ignore[no-untyped-def]  # leather has no types
    import leather

    chart = leather.Chart(f"{split} held out: log10 of E2E [s], predicted over measured")
    points = [(log10(measured), log10(predicted)) for measured, predicted, _ in shown]
    ends = (min(each for point in points for each in point), max(each for point in points for each in point))
    chart.add_dots(points, radius=1.5)
    chart.add_line([(ends[0], ends[0]), (ends[1], ends[1])])
    return chart


def _distance(split: Split, shown: Sequence[tuple[float, float, float]]):  # type: ignore[no-untyped-def]
    import leather

    chart = leather.Chart(f"{split} held out: error of E2E [%] over likeness of the nearest run")
    chart.add_dots([(nearness, min(100.0, 100.0 * abs(predicted / measured - 1.0))) for measured, predicted, nearness in shown], radius=1.5)
    chart.add_x_scale(0.0, 1.0)
    chart.add_y_scale(0.0, 100.0)
    return chart
