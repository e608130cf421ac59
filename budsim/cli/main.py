"""`budsim`: every command, and what its exit code means (docs/how-to/commands.md)."""

import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated, cast

import typer

from budsim.cli.commands import OnDemand
from budsim.cli.output import errors, one_line
from budsim.core.errors import BudSimError, Unavailable

FAILED, WRONG_USE, AWAY = 1, 2, 3
_UsageError = cast("type[Exception]", typer.BadParameter.__bases__[0])  # any wrong use; typer exports this one kind of it
_QUIET = ("aiokafka", "kafka", "asyncio", "faust", "mode")  # one command says in one line what they would say in ten

app = typer.Typer(
    cls=OnDemand,
    help="How should this model be deployed on these clusters, for this load and these SLOs?\n\n"
    "Exit codes: 0 done; 1 the answer or a check is bad; 2 wrong use or input; 3 Kafka, PostgreSQL or another part is away.\n\n"
    "Begin with: budsim demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"budsim {version('budsim')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    show_version: Annotated[  # noqa: ARG001  # its callback does the work, before a command is looked for
        bool, typer.Option("--version", help="Show the version and end", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Keep the libraries quiet where one line is the answer."""
    if context.invoked_subcommand not in ("worker", "web"):  # these log; the others answer
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def run() -> None:
    """Run a command and exit; errors are one line, never a traceback."""
    try:
        sys.exit(app(prog_name="budsim", standalone_mode=False))
    except Unavailable as error:
        code, line = AWAY, one_line(error)
    except BudSimError as error:
        code, line = WRONG_USE, one_line(error)
    except typer.Abort:
        code, line = FAILED, "nothing was done"
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code, line = FAILED, ""
    except _UsageError as error:
        code, line = WRONG_USE, _usage(error)
    if line:
        errors().print(f"budsim: {line}")
    sys.exit(code)


def _usage(error: Exception) -> str:
    """Return a wrong use in one line; a group without a command shows its help instead."""
    context, message = getattr(error, "ctx", None), getattr(error, "format_message", error.__str__)()
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(message)
        return ""
    command = context.command_path if context else "budsim"
    return f"{' '.join(message.split()).rstrip('.')}. See: {command} --help"
