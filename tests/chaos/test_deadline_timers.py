"""Two deadline timers and an outage of PostgreSQL: running deadlines move by its length, once."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import cast

import pytest

from budsim.adapters.clock import SystemClock
from budsim.adapters.embedded_postgres import EmbeddedPostgres
from budsim.services.background import DeadlineTimer
from budsim.services.ports import Messages, PlanNotes
from budsim.storage.engine import Sessions, create_engine, create_sessions
from budsim.storage.heartbeat import PostgresHeartbeat
from budsim.storage.outbox import PostgresOutbox
from budsim.storage.workflows import PostgresWorkflows
from tests.support.databases import Database
from tests.support.storage_values import FakeMessages, FakePublisher, make_request, parts_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos
OUTAGE_S = 5.0


@pytest.fixture
async def sessions(own_postgres: EmbeddedPostgres) -> AsyncIterator[Sessions]:
    engine = create_engine(own_postgres.dsn)
    yield create_sessions(engine)
    await engine.dispose()


def timer(sessions: Sessions, publisher: FakePublisher) -> DeadlineTimer:
    return DeadlineTimer(
        workflows=PostgresWorkflows(sessions, cast(Messages, FakeMessages())),
        heartbeat=PostgresHeartbeat(sessions),
        outbox=PostgresOutbox(sessions, publisher),
        clock=SystemClock(),
    )


async def planned(sessions: Sessions, *, deadline_s: float):
    workflows, request = PostgresWorkflows(sessions, cast(Messages, FakeMessages())), make_request()
    await workflows.insert_if_absent(request)
    async with workflows.locked(request.workflow_id) as workflow:
        await workflow.plan(parts_of(request.workflow_id, "c1"), PlanNotes(), deadline_s=deadline_s)
    return request


async def test_two_timers_move_deadlines_once_by_the_length_of_an_outage_and_a_third_that_joins_then_announces_none_of_them(
    sessions: Sessions, own_postgres: EmbeddedPostgres
):
    publisher = FakePublisher()
    database = Database(name="budsim", dsn=own_postgres.dsn)
    timers = [asyncio.create_task(timer(sessions, publisher).run()) for _ in range(2)]
    await wait_until(lambda: database.fetch("SELECT 1 FROM heartbeats"), what="the first beat")
    deadline_s = time.time() + OUTAGE_S / 2  # passes in the outage
    await planned(sessions, deadline_s=deadline_s)
    stopped_s = time.time()
    await asyncio.to_thread(own_postgres.stop)
    await asyncio.sleep(OUTAGE_S)  # the outage itself
    await asyncio.to_thread(own_postgres.start)
    timers.append(asyncio.create_task(timer(sessions, publisher).run()))
    (row,) = await wait_until(
        lambda: database.fetch(
            "SELECT extract(epoch FROM deadline_at)::float8 AS at FROM workflows WHERE deadline_at > to_timestamp($1)", deadline_s + 1
        ),
        what="the deadline moves",
    )
    away_s = time.time() - stopped_s
    await wait_until(lambda: publisher.sent, 2 * OUTAGE_S, what="the deadline is announced")
    announced_s = time.time()
    for task in timers:
        task.cancel()
    (last,) = await database.fetch("SELECT extract(epoch FROM deadline_at)::float8 AS at FROM workflows")
    assert last["at"] == row["at"]
    assert OUTAGE_S <= row["at"] - deadline_s <= away_s + 1.0
    assert announced_s >= row["at"]
    assert len(publisher.sent) == 1
