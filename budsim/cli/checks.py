"""What `budsim doctor` tells: checks, and the table of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

import typer
from rich.table import Table
from rich.text import Text

from budsim.cli.output import print_json, wide_console


class State(StrEnum):
    """Verdict of a check; only «wrong» counts against the whole."""

    OK = "ok"
    WRONG = "wrong"
    ABSENT = "optional"


_COLOURS: Final = {State.OK: "green", State.WRONG: "red", State.ABSENT: "yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One row."""

    check: str
    state: State
    found: str


def good(check: str, found: str) -> Check:
    """Return a check that found what should be."""
    return Check(check=check, state=State.OK, found=found)


def wrong(check: str, found: str) -> Check:
    """Return a check that found what should not be."""
    return Check(check=check, state=State.WRONG, found=found)


def tell(checks: Sequence[Check], *, as_json: bool) -> None:
    """Show the checks; exit 1 when one is wrong."""
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        table = Table("check", "state", "found")
        for check in checks:
            table.add_row(check.check, Text(check.state, style=_COLOURS[check.state]), Text(check.found))
        wide_console().print(table)
    if any(check.state is State.WRONG for check in checks):
        raise typer.Exit(1)
