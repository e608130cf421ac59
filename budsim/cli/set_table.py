"""The model sets at hand, as a table and as JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from budsim.adapters.model_cards import Card, cards_of
from budsim.adapters.model_sets import SetFolders
from budsim.adapters.trained_models import load_model_set
from budsim.services.accuracy.score import Metric

FIRST, SECOND, MORE = "first", "second", "by name"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """One trained model: of which set, for what, from how many runs, and how well it does on runs it never saw.

    Attributes:
        role: Whether its set is the first, the second, or answers those who name it.
        runs: Measured runs of its own engine and device type, by kind.
        metrics: Scores by split, group and figure, as on its card.
        problem: Why it cannot be used; empty where it can.
    """

    version: str
    role: str
    folder: str
    engine: str
    device_type: str
    date: str
    runs: Mapping[str, int]
    metrics: Mapping[str, Any]
    problem: str


def listed(folders: SetFolders) -> Iterator[ListedModel]:
    """Yield every model of every set, set by set."""
    for folder in folders.folders():
        role = FIRST if folder == folders.primary else SECOND if folder == folders.second else MORE
        problems = dict(problem.split(": ", maxsplit=1) for problem in load_model_set(folder).problems)
        for card in cards_of(folder):
            yield _listed(card, folder, role=role, problem=problems.get(f"{card.engine}/{card.device_type}", ""))


def _listed(card: Card, folder: Path, *, role: str, problem: str) -> ListedModel:
    content = card.content
    rows = content.get("rows")
    return ListedModel(
        version=str(content.get("version", "")),
        role=role,
        folder=str(folder),
        engine=card.engine,
        device_type=card.device_type,
        date=str(content.get("date", "")),
        runs=rows.get("own", {}) if isinstance(rows, dict) else {},
        metrics=content.get("metrics", {}),
        problem=problem,
    )


def table_of(models: list[ListedModel]) -> Table:
    """Return one row for each model; the errors are of E2E where its own runs were held out, else of all."""
    table = Table("model set", "role", "engine", "device", "runs", "trained", "E2E MAPE on unseen", "state")
    for model in models:
        table.add_row(
            model.version,
            model.role,
            model.engine,
            model.device_type,
            str(sum(model.runs.values())),
            model.date,
            ", ".join(_errors(model)),
            model.problem or "ok",
        )
    return table


def _errors(model: ListedModel) -> Iterator[str]:
    for split, groups in model.metrics.items():
        scores: Mapping[str, Any] = next((groups[name] for name in reversed(groups)), {})  # the pair's own, where there is one, stands last
        if Metric.E2E.value in scores:
            yield f"{split} {scores[Metric.E2E.value]['mape']:.1%}"
