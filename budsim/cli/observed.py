"""Observed figures of feedback, read from PostgreSQL for a command."""

from collections.abc import Sequence

from budsim.config import Settings
from budsim.services.observations import Observation, measured_row
from budsim.storage.engine import create_engine, create_sessions
from budsim.storage.observations import PostgresObservations


async def observations(settings: Settings) -> Sequence[Observation]:
    """Return what feedback observed, oldest first; raise Unavailable when PostgreSQL is away."""
    engine = create_engine(settings.database_url, bounded=False)
    try:
        return await PostgresObservations(create_sessions(engine)).all()
    finally:
        await engine.dispose()


async def feedback_rows(settings: Settings) -> list[dict[str, str]]:
    """Return what feedback observed in the columns of measurements.csv, oldest first; raise Unavailable when PostgreSQL is away."""
    return [measured_row(observation) for observation in await observations(settings)]
