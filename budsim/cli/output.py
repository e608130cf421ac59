"""Where commands write: answers to stdout, complaints to stderr."""

import json
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console

from budsim.core.errors import BudSimError

WIDE = 150  # columns, where no terminal says how wide it is
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for machines")]


def wide_console() -> Console:
    """Return a console that gives tables room when its output goes to a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


def errors() -> Console:
    """Return the console of complaints: one line each, as it is."""
    return Console(stderr=True, soft_wrap=True, markup=False, highlight=False)


def print_json(content: Any) -> None:
    """Print JSON and nothing else."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


def one_line(error: BudSimError) -> str:
    """Return what is wrong and what to do about it in one line."""
    remedy = error.remedy.strip()
    return " ".join(_sentence(part) for part in (error.message, remedy[:1].upper() + remedy[1:]) if part)


def _sentence(text: str) -> str:
    line = " ".join(text.split())
    return line if line.endswith((".", "?", "!")) else f"{line}."
