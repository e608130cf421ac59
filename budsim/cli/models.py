"""`budsim models`: the sets of trained models, how they do on live feedback, and that feedback as training data."""

import asyncio
import csv
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from budsim.app import set_folders
from budsim.cli.observed import feedback_rows, observations
from budsim.cli.output import AsJson, print_json, wide_console
from budsim.cli.set_table import listed, table_of
from budsim.config import load_settings
from budsim.services.accuracy.score import Metric, Score
from budsim.services.observations import COLUMNS
from budsim.services.set_scores import Comparison, SetScore, compared

models = typer.Typer()
console = wide_console()
_SHOWN = (Metric.TTFT, Metric.THROUGHPUT, Metric.E2E)


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Show the model sets at hand: versions, engines and device types, measured runs, errors on unseen runs, and what is broken.

    Example: budsim models list
    """
    found = list(listed(set_folders(load_settings())))
    if as_json:
        print_json([asdict(model) for model in found])
    elif found:
        console.print(table_of(found))
    else:
        console.print("no model set is installed: the heuristic answers (docs/how-to/model-sets.md)")


@models.command()
def compare(as_json: AsJson = False) -> None:
    """Score every model set on live feedback: error, bias and coverage of its intervals, by engine and device type.

    Example: budsim models compare --json
    """
    found = compared(asyncio.run(observations(load_settings())))
    if as_json:
        print_json(asdict(found))
    else:
        _tell(found)


@models.command()
def feedback(
    out: Annotated[Path, typer.Option(help="CSV file to be written, in the columns of measurements.csv", dir_okay=False)],
) -> None:
    """Write what feedback observed as rows that budsim train and budsim accuracy take.

    Example: budsim models feedback --out observed.csv
    """
    rows = asyncio.run(feedback_rows(load_settings()))
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    console.print(f"{len(rows)} observations written to {out}", highlight=False, markup=False)


def _tell(found: Comparison) -> None:
    console.print(
        f"{found.observations} observations; {found.other_load} left out: seen under another load than planned; "
        f"{found.unpredicted} of configurations from before predictions were kept"
    )
    if not found.scores:
        console.print("nothing to compare: send feedback with observed figures (docs/how-to/model-sets.md)")
        return
    table = Table("model set", "engine", "device", "figure", "observed", "MAPE", "bias", "within 90 %")
    for each in found.scores:
        for row in _rows(each):
            table.add_row(*row)
    console.print(table)


def _rows(each: SetScore) -> Iterator[tuple[str, ...]]:
    for metric in _SHOWN:
        score = each.scores.get(metric)
        if score is not None:
            yield f"{each.method} {each.version}", each.engine, each.device_type, metric.value, str(score.rows), *_figures(score)


def _figures(score: Score) -> tuple[str, str, str]:
    within = "" if score.coverage is None else f"{score.coverage:.0%}"
    return f"{score.mape:.1%}", f"{score.bias:+.1%}", within
