"""The heartbeat of the deadline timers: an outage moves running deadlines once, however many timers saw it."""

import asyncio

import pytest

from budsim.services.ports import PlanNotes, WorkflowStatus
from budsim.storage.engine import Sessions
from budsim.storage.heartbeat import PostgresHeartbeat
from budsim.storage.workflows import PostgresWorkflows
from tests.support.databases import Database
from tests.support.storage_values import answer_of, make_request, parts_of

AGO = "UPDATE heartbeats SET seen_at = clock_timestamp() - interval '40 s'"
DEADLINES = "SELECT extract(epoch FROM deadline_at)::float8 AS at FROM workflows ORDER BY created_at"


@pytest.fixture
def heartbeat(sessions: Sessions) -> PostgresHeartbeat:
    return PostgresHeartbeat(sessions)


async def running(workflows: PostgresWorkflows, *, deadline_s: float):
    request = make_request()
    parts = parts_of(request.workflow_id, "c1")
    await workflows.insert_if_absent(request)
    async with workflows.locked(request.workflow_id) as workflow:
        await workflow.plan(parts, PlanNotes(), deadline_s=deadline_s)
    return request, parts


async def test_of_many_timers_after_one_outage_only_the_first_moves_the_deadlines(workflows, heartbeat, migrated_database: Database):
    await running(workflows, deadline_s=1000.0)
    await heartbeat.beat()
    await migrated_database.fetch(AGO)
    moved_s = await asyncio.gather(*(heartbeat.shift_deadlines() for _ in range(8)))
    assert sorted(moved_s)[:7] == [0.0] * 7
    assert 40.0 <= max(moved_s) < 45.0
    (row,) = await migrated_database.fetch(DEADLINES)
    assert row["at"] == pytest.approx(1000.0 + max(moved_s), abs=0.001)


async def test_only_running_workflows_whose_deadline_was_not_announced_are_moved(workflows, heartbeat, migrated_database: Database):
    ended, parts = await running(workflows, deadline_s=100.0)
    async with workflows.locked(ended.workflow_id) as workflow:
        await workflow.finish(WorkflowStatus.COMPLETED, answer_of(ended, parts))
    await running(workflows, deadline_s=200.0)
    await workflows.due(200.0, 10)
    await heartbeat.beat()
    await migrated_database.fetch(AGO)
    assert await heartbeat.shift_deadlines() > 0
    assert [row["at"] for row in await migrated_database.fetch(DEADLINES)] == [100.0, 200.0]


async def test_without_an_outage_nothing_moves(workflows, heartbeat, migrated_database: Database):
    await running(workflows, deadline_s=1000.0)
    assert await heartbeat.shift_deadlines() == 0.0
    await heartbeat.beat()
    assert await heartbeat.shift_deadlines() == 0.0
    assert [row["at"] for row in await migrated_database.fetch(DEADLINES)] == [1000.0]


async def test_a_heartbeat_is_fresh_before_the_first_beat_and_after_one_but_not_long_after(heartbeat, migrated_database: Database):
    assert await heartbeat.is_fresh()
    await heartbeat.beat()
    assert await heartbeat.is_fresh()
    await migrated_database.fetch(AGO)
    assert not await heartbeat.is_fresh()
