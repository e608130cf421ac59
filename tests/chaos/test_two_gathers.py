"""Two gathers with the last two parts of a workflow, again and again: it ends exactly once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from budsim.adapters.clock import SystemClock
from budsim.adapters.wire.messages import KafkaMessages
from budsim.core.search.part import Part
from budsim.services.gather import Gatherer
from budsim.services.ports import PlanNotes
from budsim.storage.engine import Sessions, create_engine, create_sessions
from budsim.storage.outbox import PostgresOutbox
from budsim.storage.workflows import PostgresWorkflows
from tests.support.databases import Database
from tests.support.storage_values import FakePublisher, make_request, parts_of, result_of

pytestmark = pytest.mark.chaos
TIMES = 50
CLUSTERS = ("c1", "c2", "c3", "c4")
MESSAGES = KafkaMessages(prefix="t.", clock=SystemClock())


@pytest.fixture
async def flows(migrated_database: Database) -> AsyncIterator[list[Sessions]]:
    """The connections of two flow workers."""
    engines = [create_engine(migrated_database.dsn) for _ in range(2)]
    yield [create_sessions(engine) for engine in engines]
    for engine in engines:
        await engine.dispose()


def gatherer(sessions: Sessions, publisher: FakePublisher) -> Gatherer:
    workflows, outbox = PostgresWorkflows(sessions, MESSAGES), PostgresOutbox(sessions, publisher)
    return Gatherer(workflows=workflows, outbox=outbox, messages=MESSAGES, clock=SystemClock())


async def running(sessions: Sessions) -> tuple[UUID, list[Part]]:
    workflows, request = PostgresWorkflows(sessions, MESSAGES), make_request()
    parts = parts_of(request.workflow_id, *CLUSTERS)
    await workflows.insert_if_absent(request)
    async with workflows.locked(request.workflow_id) as workflow:
        assert workflow is not None
        await workflow.plan(parts, PlanNotes(), deadline_s=2e9)
    return request.workflow_id, parts


async def test_two_gathers_with_the_last_two_parts_end_the_workflow_exactly_once(
    flows: list[Sessions], migrated_database: Database
) -> None:
    publishers = [FakePublisher(), FakePublisher()]
    one, other = (gatherer(sessions, publisher) for sessions, publisher in zip(flows, publishers, strict=True))
    for _ in range(TIMES):
        workflow_id, (first, second, third, fourth) = await running(flows[0])
        for part in (first, second):
            await one.part_finished(workflow_id, result_of(part))
        await asyncio.gather(
            one.part_finished(workflow_id, result_of(third)),
            other.part_finished(workflow_id, result_of(fourth)),
            other.part_finished(workflow_id, replace(result_of(third), reason="another, later")),
        )
    rows = await migrated_database.fetch("SELECT status, parts_done, count(*) AS n FROM workflows GROUP BY status, parts_done")
    assert [tuple(row) for row in rows] == [("COMPLETED", len(CLUSTERS), TIMES)]
    answers = await migrated_database.fetch("SELECT key, count(*) AS n FROM outbox WHERE topic = 't.recommendations.v1' GROUP BY key")
    assert Counter(row["n"] for row in answers) == {1: TIMES}
    assert await migrated_database.fetch("SELECT 1 FROM outbox WHERE sent_at IS NULL") == []
    assert await migrated_database.fetch("SELECT 1 FROM simulation_results GROUP BY part_id, rank HAVING count(*) > 1") == []
    sent = Counter(value for publisher in publishers for value in publisher.sent)
    assert set(sent.values()) == {1}
