"""Connections, and the one place where drivers' errors become Unavailable."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias

from asyncpg.exceptions import (
    CannotConnectNowError,
    InsufficientResourcesError,
    InvalidAuthorizationSpecificationError,
    InvalidCatalogNameError,
    OperatorInterventionError,
    PostgresConnectionError,
    UndefinedColumnError,
    UndefinedTableError,
)
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from budsim.core.errors import Unavailable

Sessions: TypeAlias = async_sessionmaker[AsyncSession]
POOL_SIZE = 12  # kept open: one that is closed after use costs PostgreSQL a process and the client its prepared statements
OVERFLOW = 4
CONNECT_S = 5.0
COMMAND_S = 8.0  # a silent server costs twice this, command and rollback: less than the 20 s of an attempt, or an outage would be charged
_AWAY = (
    CannotConnectNowError,
    InsufficientResourcesError,
    OperatorInterventionError,
    PostgresConnectionError,
    ConnectionError,
)
_NOT_SET_UP = (InvalidAuthorizationSpecificationError, InvalidCatalogNameError, UndefinedTableError, UndefinedColumnError)


def create_engine(dsn: str, *, bounded: bool = True) -> AsyncEngine:
    """Return an engine for postgresql+asyncpg://…; migrations take as long as they take."""
    return create_async_engine(
        dsn,
        pool_size=POOL_SIZE,
        max_overflow=OVERFLOW,
        pool_pre_ping=False,
        hide_parameters=True,  # what callers sent does not belong into tracebacks and logs
        pool_timeout=CONNECT_S,
        connect_args={"timeout": CONNECT_S, "command_timeout": COMMAND_S if bounded else None},
    )


def create_sessions(engine: AsyncEngine) -> Sessions:
    """Return a session factory."""
    return async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def transaction(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """Yield a session in a transaction: committed at the end, rolled back on an error.

    Raises:
        Unavailable: PostgreSQL is away.
    """
    with _translated():
        async with sessions() as session, session.begin():
            yield session


@asynccontextmanager
async def autocommit(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """Yield a session whose every statement is a transaction: for a single one it saves the round trips of BEGIN and COMMIT.

    Raises:
        Unavailable: PostgreSQL is away.
    """
    with _translated():
        async with sessions() as session:
            _ = await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
            yield session


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolExhausted) as error:
        raise _unavailable(error) from error
    except DBAPIError as error:
        cause = error.orig and error.orig.__cause__
        if error.connection_invalidated or isinstance(cause, _AWAY):
            raise _unavailable(error) from error
        if isinstance(cause, _NOT_SET_UP):
            raise not_set_up(cause) from error
        raise
    except (*_AWAY, OSError) as error:
        raise _unavailable(error) from error


def not_set_up(error: BaseException) -> Unavailable:
    """Return the refusal of a server that is there without our role, database or schema: to be mended, not a fault of a message."""
    return Unavailable(f"PostgreSQL refuses: {error}", remedy="Check BUDSIM_DATABASE_URL, then run: budsim db upgrade")


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(
        f"PostgreSQL is away ({type(error).__name__})",
        remedy="Is it up, and BUDSIM_DATABASE_URL right? Workers try again until it answers.",
    )
