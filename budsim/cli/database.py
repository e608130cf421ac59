"""`budsim db`: the schema of PostgreSQL."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from budsim.config import load_settings
from budsim.storage import migrate

database = typer.Typer()
console = Console(highlight=False)


@database.command()
def upgrade(revision: Annotated[str, typer.Argument(help="Revision to reach")] = "head") -> None:
    """Migrate up, to the newest revision or the one named; does nothing when it is there already.

    Example: budsim db upgrade
    """
    dsn = load_settings().database_url
    asyncio.run(migrate.upgrade(dsn, revision))
    _show(dsn)


@database.command(context_settings={"ignore_unknown_options": True})  # -1 is a revision
def downgrade(
    revision: Annotated[str, typer.Argument(help="Revision to go back to: its id, -1 for the one before, or base for none")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
) -> None:
    """Migrate down. What later revisions added is dropped with its data; «base» drops every table.

    Example: budsim db downgrade -1 --yes
    """
    dsn = load_settings().database_url
    if not yes:
        typer.confirm(f"Go back to {revision} and drop what later revisions added, with its data?", abort=True)
    asyncio.run(migrate.downgrade(dsn, revision))
    _show(dsn)


@database.command()
def current() -> None:
    """Show the revision the database is at, and the newest one.

    Example: budsim db current
    """
    _show(load_settings().database_url)


def _show(dsn: str) -> None:
    console.print(f"at {asyncio.run(migrate.current(dsn)) or 'nothing (empty)'}, newest {migrate.head()}")
