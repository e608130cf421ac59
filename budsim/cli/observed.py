"""Observed figures of feedback, read from PostgreSQL for a command."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from budsim.config import Settings
from budsim.core.model.spec import ModelSpec
from budsim.services.accuracy.rows import Row
from budsim.services.accuracy.runs import Models
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


def with_feedback(settings: Settings, rows: Sequence[Row], models: Models) -> tuple[list[Row], Models]:
    """Return measured rows and the shapes of their models with what feedback observed behind them.

    Raises:
        Unavailable: PostgreSQL is away.
    """

    async def observed() -> tuple[list[dict[str, str]], dict[str, ModelSpec]]:
        return await feedback_rows(settings), await feedback_models(settings)

    seen, shapes = asyncio.run(observed())
    return [*rows, *seen], {**shapes, **models}


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[PostgresObservations]:
    engine = create_engine(settings.database_url, bounded=False)
    try:
        yield PostgresObservations(create_sessions(engine))
    finally:
        await engine.dispose()
