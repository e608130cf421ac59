"""?wait over LISTEN, on a real PostgreSQL; no worker runs, so that a test decides when a workflow ends."""

import asyncio
from uuid import UUID

import pytest

from budsim.adapters.clock import SystemClock
from budsim.adapters.wire.messages import KafkaMessages
from budsim.config import Settings
from budsim.services.ports import PlanNotes, WorkflowStatus
from budsim.storage.engine import create_engine, create_sessions
from budsim.storage.workflows import PostgresWorkflows
from budsim.web import waiting
from tests.support.databases import Database
from tests.support.storage_values import answer_of, make_request, parts_of
from tests.support.waiting import wait_until
from tests.support.web_caller import WebCaller
from tests.support.web_fakes import BODY

LISTENERS = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND application_name = 'budsim listen'"
NEVER_S = 600.0


async def open_wait(caller: WebCaller, database: Database) -> "tuple[asyncio.Task[tuple[int, dict[str, object]]], UUID]":
    """Ask and wait, once the view listens and the workflow is there."""
    await wait_until(lambda: database.fetch(LISTENERS, database.name), what="the view listens")
    asking = asyncio.create_task(caller.call("POST", "/simulator/run?wait=60", json=BODY))
    rows = await wait_until(lambda: database.fetch("SELECT id FROM workflows WHERE status = 'PENDING'"), what="the workflow is there")
    return asking, rows[0]["id"]


async def end(settings: Settings, workflow_id: UUID) -> None:
    """End a workflow as gather does."""
    engine = create_engine(settings.database_url)
    workflows = PostgresWorkflows(create_sessions(engine), KafkaMessages(prefix="t.", clock=SystemClock()))
    parts = parts_of(workflow_id, "c1")
    async with workflows.locked(workflow_id) as workflow:
        await workflow.plan(parts, PlanNotes(), deadline_s=4e9)
        await workflow.finish(WorkflowStatus.COMPLETED, answer_of(make_request(workflow_id), parts))
    await engine.dispose()


async def test_a_notification_ends_the_wait(caller, settings, migrated_database, monkeypatch):
    monkeypatch.setattr(waiting, "REREAD_S", NEVER_S)
    asking, workflow_id = await open_wait(caller, migrated_database)
    await end(settings, workflow_id)
    status, body = await asyncio.wait_for(asking, 20)
    assert (status, body["workflow_id"]) == (200, str(workflow_id))


async def test_a_cancellation_ends_the_wait(caller, settings, migrated_database, monkeypatch):
    monkeypatch.setattr(waiting, "REREAD_S", NEVER_S)
    asking, workflow_id = await open_wait(caller, migrated_database)
    assert (await caller.call("POST", f"/workflow/{workflow_id}/cancel"))[1]["status"] == "CANCELLED"
    assert (await asyncio.wait_for(asking, 20))[0] == 409


async def test_what_ended_while_the_connection_was_lost_is_noticed_when_it_is_back(caller, settings, migrated_database, monkeypatch):
    """By the new connection alone: reading again is put off for longer than the test lasts."""
    monkeypatch.setattr(waiting, "REREAD_S", NEVER_S)
    asking, workflow_id = await open_wait(caller, migrated_database)
    (before,) = await migrated_database.fetch(LISTENERS, migrated_database.name)
    assert (await migrated_database.fetch("SELECT pg_terminate_backend($1)", before["pid"]))[0][0]
    await wait_until(lambda: _lost(migrated_database), what="the connection is lost")
    await end(settings, workflow_id)
    assert (await asyncio.wait_for(asking, 20))[0] == 200
    (after,) = await wait_until(lambda: migrated_database.fetch(LISTENERS, migrated_database.name), what="it listens again")
    assert after["pid"] != before["pid"]


async def test_a_wait_survives_a_connection_that_is_lost_and_never_comes_back(caller, settings, migrated_database, monkeypatch):
    """By reading again alone: the view may not connect anew."""

    async def refused(dsn: str) -> None:
        raise ConnectionRefusedError

    asking, workflow_id = await open_wait(caller, migrated_database)
    monkeypatch.setattr("budsim.storage.notifications._connect", refused)
    (listener,) = await migrated_database.fetch(LISTENERS, migrated_database.name)
    await migrated_database.fetch("SELECT pg_terminate_backend($1)", listener["pid"])
    await wait_until(lambda: _lost(migrated_database), what="the connection is lost")
    await end(settings, workflow_id)
    assert (await asyncio.wait_for(asking, 20))[0] == 200
    assert await _lost(migrated_database)


async def test_many_waits_share_one_connection(caller, migrated_database):
    asking, _ = await open_wait(caller, migrated_database)
    more = [asyncio.create_task(caller.call("POST", "/simulator/run?wait=1", json=BODY)) for _ in range(30)]
    assert {status for status, _ in await asyncio.gather(*more)} == {202}
    assert len(await migrated_database.fetch(LISTENERS, migrated_database.name)) == 1
    asking.cancel()


async def _lost(database: Database) -> bool:
    return not await database.fetch(LISTENERS, database.name)


@pytest.mark.parametrize("payload", ["", "no uuid", "0" * 32])
async def test_a_notification_that_names_no_workflow_harms_nobody(caller, settings, migrated_database, payload: str):
    asking, workflow_id = await open_wait(caller, migrated_database)
    await migrated_database.fetch("SELECT pg_notify('budsim_workflow', $1)", payload)
    await end(settings, workflow_id)
    assert (await asyncio.wait_for(asking, 20))[0] == 200
