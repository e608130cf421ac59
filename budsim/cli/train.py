"""`budsim train`: trained models from measured rows, with their cards."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from budsim.config import SHIPPED_MODELS, load_settings
from budsim.core.errors import InvalidInput
from budsim.core.hardware.spec import DeviceType
from budsim.core.latency.constants import shipped_constants
from budsim.core.memory.analytic import AnalyticMemory
from budsim.services.accuracy.capacity import MemoryOfWhatRan
from budsim.services.accuracy.rows import Row
from budsim.services.accuracy.runs import Models
from budsim.services.accuracy.shapes import models_of
from budsim.services.training.card import Lineage
from budsim.services.training.learn import Steps
from budsim.services.training.rows import Table

if TYPE_CHECKING:
    from budsim.services.training.train import Training

console = Console(soft_wrap=True, highlight=False)
ROWS: Final = "measurements.csv"
SHAPES: Final = "model_shapes.csv"


def train(  # noqa: PLR0913, PLR0917  # each is an option of the command
    data: Annotated[Path, typer.Argument(help="CSV file in the columns of measurements.csv, or a folder with it", exists=True)],
    out: Annotated[Path, typer.Option(help="Folder of the model set", file_okay=False)] = SHIPPED_MODELS,
    engine: Annotated[str | None, typer.Option(help="Write the models of this engine only")] = None,
    device_type: Annotated[DeviceType | None, typer.Option(help="Write the models of this device type only")] = None,
    seed: Annotated[int, typer.Option(help="Same rows, seed and date: same bytes", min=0)] = 1,
    report: Annotated[Path | None, typer.Option(help="Document whose figures of the regressor are written, with drawings beside")] = None,
    from_feedback: Annotated[bool, typer.Option("--from-feedback", help="Learn from what feedback observed too, in PostgreSQL")] = False,
    date: Annotated[str | None, typer.Option(help="Day on the cards, YYYY-MM-DD; today where not given")] = None,
) -> None:
    """Train the regressor on measured rows, score it on rows it never saw, and write models and cards.

    Example: budsim train ../shared/data --out pretrained_models --seed 1 --date 2026-01-31
    """
    from budsim.cli.observed import with_feedback
    from budsim.services.training.learn import learnable
    from budsim.services.training.physics import PhysicsOfFolds
    from budsim.services.training.rows import analysed, table_of
    from budsim.services.training.settings import Settings
    from budsim.services.training.train import chosen, files_of, lineage_of, pairs_of, trained

    day = _day(date)
    lines, models = _read(data)
    if from_feedback:
        lines, models = with_feedback(load_settings(), lines, models)
    constants, settings = shipped_constants(), Settings(seed=seed)
    table = table_of(lines, models, MemoryOfWhatRan(AnalyticMemory()))
    pairs = chosen(pairs_of(table), engine, device_type)
    _say_rows(table, len(lines))
    rows = learnable(table, analysed(table, constants))
    with _progress() as said:
        training = trained(rows, settings, PhysicsOfFolds(table, models, constants, whole=rows), said)
    lineage = lineage_of(rows, settings, date=day, constants=constants.version)
    files = files_of(pairs, training, lineage)
    if report is not None:
        _report(report, training, lineage)
    _write(out, files)
    console.print(f"{len(pairs)} models, {sum(map(len, files.values())) / 1e6:.2f} MB, written to {out}", markup=False)


def _say_rows(table: Table, given: int) -> None:
    console.print(f"{len(table.rows)} of {given} rows learned from", markup=False)
    for reason, count in table.left_out.items():
        console.print(f"  left out: {count:5} {reason}", markup=False)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _report(report: Path, training: "Training", lineage: Lineage) -> None:
    from budsim.cli.training_plots import draw_runs
    from budsim.services.calibration.report import with_figures
    from budsim.services.training.metrics import judged
    from budsim.services.training.report import BEGIN, END, pairs_of, report_of
    from budsim.services.training.train import pairs_of as engines_of

    table = training.rows.table
    drawn = draw_runs(pairs_of(table, training.held), report.with_suffix(""))
    splits = judged(table, training.held, engines_of(table))
    batches = judged(table, training.batches, (), batches=True)
    lines = report_of(table, splits, batches, lineage=lineage, ways=training.ways)
    lines += ["", *(f"![{path.stem.replace('_', ' ')}]({path.relative_to(report.parent)})" for path in drawn)]
    before = report.read_text(encoding="utf-8") if report.exists() else "# Accuracy"
    report.write_text(with_figures(before, lines, begin=BEGIN, end=END), encoding="utf-8")


def _day(stated: str | None) -> str:
    try:
        return (datetime.strptime(stated, "%Y-%m-%d") if stated else datetime.now(UTC)).date().isoformat()  # a day has no zone
    except ValueError:
        raise InvalidInput(f"date {stated!r} is no day", param="date", remedy="give YYYY-MM-DD") from None


def _read(data: Path) -> tuple[list[Row], Models]:
    file = data / ROWS if data.is_dir() else data
    if not file.exists():
        raise InvalidInput(f"{data} holds no {ROWS}", param="data", remedy=f"give a CSV file, or a folder with {ROWS} and {SHAPES}")
    shapes = file.parent / SHAPES
    return _lines(file), models_of(_lines(shapes)) if shapes.exists() else {}


def _lines(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return [{column: row[column] or "" for column in row if column} for row in csv.DictReader(file, restval="")]


@contextmanager
def _progress() -> Iterator[Steps]:
    columns = (TextColumn("{task.description:48}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("begins", total=None)
        yield lambda text, done, total: bar.update(task, description=text, completed=done, total=total)
