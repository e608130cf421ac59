"""Observed figures of feedback, read from PostgreSQL for a command."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from budsim.config import Settings
from budsim.core.model.spec import ModelSpec
from budsim.services.observations import Observation, measured_row
from budsim.storage.engine import create_engine, create_sessions
from budsim.storage.observations import PostgresObservations


async def observations(settings: Settings) -> Sequence[Observation]:
    """Return what feedback observed, oldest first; raise Unavailable when PostgreSQL is away."""
    async with _store(settings) as store:
        return await store.all()


async def feedback_rows(settings: Settings) -> list[dict[str, str]]:
    """Return what feedback observed in the columns of measurements.csv, oldest first; raise Unavailable when PostgreSQL is away."""
    return [measured_row(observation) for observation in await observations(settings)]


async def feedback_models(settings: Settings) -> dict[str, ModelSpec]:
    """Return the shapes of the models of those rows by lower-case name; raise Unavailable when PostgreSQL is away."""
    async with _store(settings) as store:
        return await store.models()


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[PostgresObservations]:
    engine = create_engine(settings.database_url, bounded=False)
    try:
        yield PostgresObservations(create_sessions(engine))
    finally:
        await engine.dispose()
