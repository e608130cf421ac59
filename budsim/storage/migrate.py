"""Migrations, run by a command or a test.

Alembic, and the template engine and highlighter it brings, are imported where they are used: most processes never migrate.
"""

from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from budsim.core.errors import InvalidInput, Unavailable
from budsim.storage.engine import create_engine, not_set_up

if TYPE_CHECKING:
    from alembic.config import Config

LOCK = 0x42554453  # two processes that migrate at once take turns


async def upgrade(dsn: str, revision: str = "head") -> None:
    """Migrate up."""
    from alembic import command

    await _run(dsn, lambda config: command.upgrade(config, revision))


async def downgrade(dsn: str, revision: str = "base") -> None:
    """Migrate down."""
    from alembic import command

    await _run(dsn, lambda config: command.downgrade(config, revision))


async def current(dsn: str) -> str | None:
    """Return the revision the database is at."""
    from alembic.runtime.migration import MigrationContext

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
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("budsim.storage") / "migrations"))
    return config


async def _run(dsn: str, action: "Callable[[Config], object]") -> None:
    from alembic.util.exc import CommandError

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
