"""What counts as «PostgreSQL is away», and what must not."""

import time

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from budsim.core.errors import Unavailable
from budsim.storage.clusters import PostgresPrices
from budsim.storage.engine import COMMAND_S, create_engine, create_sessions, transaction
from budsim.storage.schema import ClusterOffsetRow
from budsim.stream.holds import RetryPolicy
from tests.support.databases import Database
from tests.support.silent_proxy import SilentProxy

TERMINATE_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


async def test_a_port_nobody_listens_on_is_unavailable():
    engine = create_engine("postgresql+asyncpg://postgres@127.0.0.1:1/postgres")
    with pytest.raises(Unavailable):
        await PostgresPrices(create_sessions(engine)).all(now_s=1.0)
    await engine.dispose()


@pytest.mark.parametrize("wrong", ["//nobody:wrong@", "//{user}@{rest}-that-does-not-exist"])
async def test_a_server_that_lets_nobody_in_is_unavailable(migrated_database: Database, wrong: str):
    user, rest = migrated_database.dsn.partition("//")[2].split("@", 1)
    dsn = "postgresql+asyncpg:" + (wrong.format(user=user, rest=rest) if "{" in wrong else wrong + rest)
    engine = create_engine(dsn)
    with pytest.raises(Unavailable):
        await PostgresPrices(create_sessions(engine)).all(now_s=1.0)
    await engine.dispose()


async def test_a_connection_ended_within_a_transaction_is_unavailable_and_its_writes_are_gone(sessions, migrated_database: Database):
    with pytest.raises(Unavailable):
        async with transaction(sessions) as session:
            await session.execute(text("INSERT INTO prices (key, usd_per_hour) VALUES ('half', 1)"))
            await migrated_database.fetch(TERMINATE_OTHERS)
            await session.execute(text("SELECT 1"))
    assert await PostgresPrices(sessions).all(now_s=1.0) == {}


async def test_after_all_connections_ended_the_next_but_one_call_is_answered(sessions, migrated_database: Database):
    prices = PostgresPrices(sessions)
    await prices.put("A100", 2.0, now_s=1.0)
    await migrated_database.fetch(TERMINATE_OTHERS)
    with pytest.raises(Unavailable):
        await prices.all(now_s=1.0)
    assert await prices.all(now_s=1.0) == {"A100": 2.0}


async def test_an_exhausted_pool_is_unavailable(migrated_database: Database):
    engine = create_async_engine(migrated_database.dsn, pool_size=1, max_overflow=0, pool_timeout=0.05)
    sessions = create_sessions(engine)
    async with transaction(sessions) as session:
        await session.execute(text("SELECT 1"))
        with pytest.raises(Unavailable):
            await PostgresPrices(sessions).all(now_s=1.0)
    await engine.dispose()


async def test_a_number_the_driver_refuses_is_not_unavailable_or_it_would_be_held_for_ever(sessions):
    with pytest.raises(DBAPIError) as refused:
        async with transaction(sessions) as session:
            await session.execute(insert(ClusterOffsetRow).values(partition=2**31, last_offset=0))
    assert "value out of int32 range" in str(refused.value)
    assert "SQL parameters hidden" in str(refused.value)  # what callers sent stays out of logs


async def test_a_value_the_server_refuses_is_not_unavailable(sessions):
    with pytest.raises(DBAPIError):
        await PostgresPrices(sessions).put("x" * 512, 1.0, now_s=1.0)


async def test_a_server_that_falls_silent_is_unavailable_well_within_one_attempt(migrated_database: Database, monkeypatch):
    assert RetryPolicy().attempt_s > 2 * COMMAND_S
    monkeypatch.setattr("budsim.storage.engine.COMMAND_S", 0.5)
    async with SilentProxy(migrated_database.dsn) as proxy:
        engine = create_engine(proxy.dsn)
        prices = PostgresPrices(create_sessions(engine))
        await prices.put("A100", 2.0, now_s=1.0)
        proxy.fall_silent()
        began_s = time.monotonic()
        with pytest.raises(Unavailable):
            await prices.all(now_s=1.0)
        assert time.monotonic() - began_s < 10.0  # twice 0.5 s, and a slow machine
        await engine.dispose()
