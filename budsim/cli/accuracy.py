"""`budsim accuracy` and `budsim calibrate`: predictions against measurements, and constants from them."""

import csv
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from budsim.config import SHIPPED_MODELS
from budsim.core.errors import InvalidInput, Unavailable
from budsim.core.latency.constants import constants_from, shipped_constants
from budsim.core.latency.kernels import shares_from
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.predictors.paired import PairedPredictor
from budsim.core.predictors.protocol import Method, Predictor
from budsim.core.predictors.regressor import RegressorPredictor
from budsim.services.accuracy.capacity import MemoryOfWhatRan
from budsim.services.accuracy.predict import predict_rows
from budsim.services.accuracy.rows import read_row
from budsim.services.accuracy.runs import Models
from budsim.services.accuracy.score import accuracy_of
from budsim.services.accuracy.shapes import models_of
from budsim.services.accuracy.table import COLUMNS, outcome_cells, report_lines

console = Console(soft_wrap=True, highlight=False)
SHIPPED: Final = Path(str(files("budsim.core.latency")))
REPORT: Final = Path("docs/accuracy.md")


def accuracy(
    file: Annotated[Path, typer.Argument(help="Measured rows, in the columns of measurements.csv", exists=True, dir_okay=False)],
    shapes: Annotated[Path | None, typer.Option(help="Shapes of models, in the columns of model_shapes.csv", exists=True)] = None,
    method: Annotated[Method, typer.Option(help="What predicts")] = Method.HEURISTIC,
    out: Annotated[Path | None, typer.Option(help="Where the predictions go: one line a row, in order")] = None,
    models: Annotated[Path, typer.Option(help="Model set of the regressor", file_okay=False)] = SHIPPED_MODELS,
) -> None:
    """Predict every measured row and say how far off that is. Nothing is fitted.

    Example: budsim accuracy measurements.csv --shapes model_shapes.csv --out predictions.csv
    """
    lines, header = _table(file)
    outcomes = predict_rows([read_row(line) for line in lines], _models(shapes), _predictor(method, models))
    if out is not None:
        _write(out, [*header, *COLUMNS], [{**line, **outcome_cells(outcome)} for line, outcome in zip(lines, outcomes, strict=True)])
    for text in report_lines(accuracy_of(outcomes)):
        console.print(text, markup=False)


def calibrate(
    data: Annotated[Path, typer.Argument(help="Folder with measurements.csv, model_shapes.csv and oplevel/", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="Where kernels.csv and constants.json go", file_okay=False)] = SHIPPED,
    cross_validate: Annotated[bool, typer.Option(help="Refit without each fold too: intervals and the report's figures")] = False,
    report: Annotated[Path, typer.Option(help="Document whose figures cross-validation writes", dir_okay=False)] = REPORT,
) -> None:
    """Fit the constants of the latency model to kernel timings and measured runs, and write them as the core loads them.

    Example: budsim calibrate ../shared/data --cross-validate
    """
    from budsim.services.calibration.fit import fit_constants
    from budsim.services.calibration.folds import Split, held_out
    from budsim.services.calibration.modes import offline_of, open_band
    from budsim.services.calibration.observe import observations
    from budsim.services.calibration.report import offline_report_of, report_of, with_figures
    from budsim.services.calibration.store import Provenance, bands_of, constants_document, sources_of, with_offline

    kernels = _kernel_rows(data / "oplevel")
    shares = shares_from(kernels)
    lines, _ = _table(data / "measurements.csv")
    rows, models = [read_row(line) for line in lines], _models(data / "model_shapes.csv")
    observed = observations(rows, models, shares)
    today = datetime.now(UTC).date().isoformat()
    held = [held_out(observed, split) for split in Split] if cross_validate else []
    bands = bands_of(held, observed) if held else _shipped_bands()
    fit = fit_constants(observed)
    document = constants_document(observed, fit, bands, Provenance(date=today, sources=sources_of(lines)))
    offline = offline_of(rows, models, kernels=shares, closed=fit, cross_validate=cross_validate)
    if offline is not None:
        document = with_offline(document, offline.observed, offline.fit, bands_of(offline.held, offline.observed))
    if found := open_band(rows, models, constants_from(document, shares)):
        document["bands"]["open"] = found
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "kernels.csv", list(kernels[0]), kernels)
    (out / "constants.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    console.print(f"{document['runs']} runs fitted; constants {document['version']} written to {out}")
    if held:
        figures = report_of(observed, held, date=today) + (offline_report_of(offline.observed, offline.held) if offline else [])
        report.write_text(with_figures(report.read_text(encoding="utf-8") if report.exists() else "# Accuracy", figures), encoding="utf-8")
        for text in figures[:8]:
            console.print(text, markup=False)


def _predictor(method: Method, folder: Path) -> Predictor:
    physics = HeuristicPredictor(memory=MemoryOfWhatRan(AnalyticMemory()), constants=shipped_constants())
    if method is Method.HEURISTIC:
        return physics
    from budsim.adapters.trained_models import load_model_set

    found = load_model_set(folder)
    for problem in found.problems:
        console.print(f"not used: {problem}", markup=False)
    if not found.models:
        raise Unavailable(f"{folder} holds no trained model", param="models", remedy="use --method heuristic, or train one: budsim train")
    trained = {pair: RegressorPredictor(heuristic=physics, model=model) for pair, model in found.models.items()}
    return PairedPredictor(trained, otherwise=physics)


def _models(path: Path | None) -> Models:
    return {} if path is None else models_of(_table(path)[0])


def _table(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Return the rows and the columns of a CSV file; cells beyond the columns are left out."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.DictReader(file, restval="")
        rows = [{column: row[column] or "" for column in reader.fieldnames or ()} for row in reader]
    if not reader.fieldnames:
        raise InvalidInput(f"{path} has no header line", param="file", remedy="give a CSV file in the columns of measurements.csv")
    return rows, list(reader.fieldnames)


def _write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(columns)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _kernel_rows(folder: Path) -> list[dict[str, str]]:
    from budsim.services.calibration.kernels import share_rows
    from budsim.services.calibration.timings import FILES, kernel_fits

    return share_rows(kernel_fits((name, _timings(folder / f"aic_{name}_perf.csv.gz")) for name in FILES))


def _timings(path: Path) -> Iterator[dict[str, str]]:
    if path.exists():
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


def _shipped_bands() -> Mapping[str, Any]:
    path = SHIPPED / "constants.json"
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))["bands"] if path.exists() else {}
    return found
