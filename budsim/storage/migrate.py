"""Migrations, run by a command or a test."""

from collections.abc import Callable
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from budsim.core.errors import InvalidInput, Unavailable
from budsim.storage.engine import create_engine, not_set_up

LOCK = 0x42554453  # two processes that migrate at once take turns


async def upgrade(dsn: str, revision: str = "head") -> None:
    """Migrate up."""
    await _run(dsn, lambda config: command.upgrade(config, revision))


async def downgrade(dsn: str, revision: str = "base") -> None:
    """Migrate down."""
    await _run(dsn, lambda config: command.downgrade(config, revision))


async def current(dsn: str) -> str | None:
    """Return the revision the database is at."""
    engine = create_engine(dsn)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
    except (OSError, DBAPIError) as error:
        raise _translated(error) from error
    finally:
        await engine.dispose()


def head() -> str | None:
    """Return the newest revision."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("budsim.storage") / "migrations"))
    return config


async def _run(dsn: str, action: Callable[[Config], object]) -> None:
    engine = create_engine(dsn, bounded=False)

    def apply(connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        config = _config()
        config.attributes["connection"] = connection
        action(config)

    try:
        async with engine.begin() as connection:
            await connection.run_sync(apply)
    except CommandError as error:
        raise InvalidInput(f"{error}", param="revision", remedy=f"The newest is {head()}.") from error
    except (OSError, DBAPIError) as error:
        raise _translated(error) from error
    finally:
        await engine.dispose()


def _translated(error: OSError | DBAPIError) -> Unavailable:
    if isinstance(error, DBAPIError):
        return not_set_up((error.orig and error.orig.__cause__) or error)
    return Unavailable(f"PostgreSQL cannot be reached ({error})", remedy="Check BUDSIM_DATABASE_URL.")
