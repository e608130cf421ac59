"""Databases of one test each, copied from a template."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database of its own; `dsn` is the SQLAlchemy address."""

    name: str
    dsn: str

    @property
    def plain_dsn(self) -> str:
        """The address asyncpg takes."""
        return self.dsn.replace("+asyncpg", "")

    async def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run one statement on a connection of its own."""
        connection = await asyncpg.connect(self.plain_dsn)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()


def run_apart(action: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine in a thread with a loop of its own: a fixture may run beside a test's loop."""

    async def call() -> T:
        return await action()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(lambda: asyncio.run(call())).result()


def create_database(server_dsn: str, *, template: str = "template0") -> Database:
    """Create a database with a new name as a copy of `template`."""
    name = f"test_{uuid4().hex[:12]}"
    _execute(server_dsn, f"CREATE DATABASE {name} TEMPLATE {template}")
    return Database(name=name, dsn=f"{server_dsn.rsplit('/', 1)[0]}/{name}")


def drop_database(server_dsn: str, database: Database) -> None:
    """Drop it, whoever is still connected."""
    _execute(server_dsn, f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")


def _execute(server_dsn: str, statement: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(server_dsn.replace("+asyncpg", ""))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    run_apart(execute)
