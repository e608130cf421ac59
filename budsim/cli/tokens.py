"""API tokens: made, listed, revoked."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from budsim.cli.output import wide_console
from budsim.config import load_settings
from budsim.core.errors import InvalidInput
from budsim.storage.engine import create_engine, create_sessions
from budsim.storage.tokens import PostgresTokens

token = typer.Typer()
T = TypeVar("T")


@token.command()
def create(
    name: Annotated[str, typer.Argument(help="What the token is for")],
    project: Annotated[list[str] | None, typer.Option(help="Limit it to a project; may be given again")] = None,
    cluster: Annotated[list[str] | None, typer.Option(help="Limit it to a cluster; may be given again")] = None,
) -> None:
    """Create an API token and show its secret, once.

    Example: budsim token create ci --project team-a
    """
    secret = _with_tokens(lambda tokens: tokens.create(name, projects=project or None, clusters=cluster or None))
    Console().print(secret, soft_wrap=True, highlight=False, markup=False)


@token.command("list")
def list_tokens() -> None:
    """List every token, what it is limited to, and whether it still opens.

    Example: budsim token list
    """
    table = Table("name", "projects", "clusters", "created", "revoked")
    for view in _with_tokens(lambda tokens: tokens.all()):
        table.add_row(view.name, _limits(view.projects), _limits(view.clusters), _day(view.created_s), _day(view.revoked_s))
    wide_console().print(table)


@token.command()
def revoke(name: Annotated[str, typer.Argument(help="Name it was created with")]) -> None:
    """Revoke every token of a name; it opens nothing from now on.

    Example: budsim token revoke ci
    """
    count = _with_tokens(lambda tokens: tokens.revoke(name))
    if not count:
        raise InvalidInput(f"no live token is named {name!r};", param="name", remedy="see: budsim token list")
    Console().print(f"{count} revoked", highlight=False)


def _with_tokens(action: Callable[[PostgresTokens], Awaitable[T]]) -> T:
    async def act() -> T:
        engine = create_engine(load_settings().database_url)
        try:
            return await action(PostgresTokens(create_sessions(engine)))
        finally:
            await engine.dispose()

    return asyncio.run(act())


def _limits(names: frozenset[str] | None) -> str:
    return "all" if names is None else ", ".join(sorted(names)) or "none"


def _day(moment_s: float | None) -> str:
    return "" if moment_s is None else datetime.fromtimestamp(moment_s, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
