"""Blacklists: one transaction a feedback, and a version that only grows."""

import asyncio
from uuid import UUID, uuid4

import pytest

from budsim.services.ports import FeedbackReport, PlanNotes, RecordedConfiguration, WorkflowStatus
from budsim.storage.blacklist import PostgresBlacklists
from budsim.storage.workflows import PostgresWorkflows
from tests.support.databases import Database
from tests.support.storage_values import FakeClock, answer_of, make_request, parts_of

TTL_S = 3600.0
FAR_S = 4e9  # the clock of these tests stands in 2096: entries are live for PostgreSQL's own clock


@pytest.fixture
def blacklists(sessions) -> PostgresBlacklists:
    return PostgresBlacklists(sessions, clock=FakeClock(FAR_S), ttl_s=TTL_S)


@pytest.fixture
async def recommended(workflows: PostgresWorkflows) -> list[UUID]:
    """The configurations of an ended workflow on cluster c1, best first."""
    request = make_request()
    parts = parts_of(request.workflow_id, "c1")
    answer = answer_of(request, parts)
    await workflows.insert_if_absent(request)
    async with workflows.locked(request.workflow_id) as workflow:
        await workflow.plan(parts, PlanNotes(), deadline_s=1000.0)
        await workflow.finish(WorkflowStatus.COMPLETED, answer)
    return [UUID(item.configuration.config_id) for item in answer.clusters[0].configurations]


async def found(blacklists: PostgresBlacklists, config_id: UUID) -> RecordedConfiguration:
    recorded = await blacklists.find_configuration(config_id)
    assert recorded is not None
    return recorded


def failed(config_id: UUID, reason: str = "crashed") -> FeedbackReport:
    return FeedbackReport(event_id=uuid4(), config_id=config_id, failed=True, reason=reason)


def worked(config_id: UUID) -> FeedbackReport:
    return FeedbackReport(event_id=uuid4(), config_id=config_id, failed=False, reason="", observed_ttft_s=0.4, observed_concurrency=8)


async def test_a_recommended_configuration_is_found_by_its_id_and_another_is_not(blacklists, recommended):
    recorded = await found(blacklists, recommended[0])
    assert recorded.key == "c1|cuda"
    assert (recorded.entry.model_id, recorded.entry.memory_class_gb) == ("org/model-8b", 80)
    assert await blacklists.find_configuration(uuid4()) is None


async def test_a_key_without_feedback_has_version_0_and_no_entries(blacklists):
    blacklist = await blacklists.get("c1|cuda")
    assert (blacklist.version, blacklist.entries) == (0, ())
    assert await blacklists.versions(["c1|cuda"]) == {}


async def test_a_failure_sets_entry_mark_feedback_version_and_message_together(blacklists, recommended, messages, migrated_database):
    blacklist = await blacklists.apply(await found(blacklists, recommended[0]), failed(recommended[0], "CUDA out of memory"), messages)
    (entry,) = blacklist.entries
    assert (entry.config_id, entry.out_of_memory, entry.expires_at) == (str(recommended[0]), True, FAR_S + TTL_S)
    assert await blacklists.get("c1|cuda") == blacklist
    marked = await migrated_database.fetch("SELECT config_id FROM simulation_results WHERE is_blacklisted")
    assert [row[0] for row in marked] == [recommended[0]]
    sent = await migrated_database.fetch("SELECT stream_key, value FROM outbox")
    assert [tuple(row) for row in sent] == [("c1|cuda", b"c1|cuda v1 1")]
    assert (await migrated_database.fetch("SELECT reason FROM feedback"))[0][0] == "CUDA out of memory"


async def test_success_lifts_the_entry_and_the_version_still_grows(blacklists, recommended, messages, migrated_database):
    recorded = await found(blacklists, recommended[0])
    await blacklists.apply(recorded, failed(recommended[0]), messages)
    lifted = await blacklists.apply(recorded, worked(recommended[0]), messages)
    assert (lifted.version, lifted.entries) == (2, ())
    assert await migrated_database.fetch("SELECT 1 FROM simulation_results WHERE is_blacklisted") == []
    observed = await migrated_database.fetch("SELECT observed->>'ttft_s', observed->>'concurrency' FROM feedback ORDER BY id")
    assert tuple(observed[1]) == ("0.4", "8")


async def test_the_same_failure_told_twice_is_one_entry(blacklists, recommended, messages):
    recorded = await found(blacklists, recommended[0])
    await blacklists.apply(recorded, failed(recommended[0]), messages)
    again = await blacklists.apply(recorded, failed(recommended[0], "oom"), messages)
    assert (again.version, [entry.reason for entry in again.entries]) == (2, ["oom"])


async def test_of_feedback_on_one_key_at_once_each_gets_a_version_of_its_own_and_the_last_holds_all(
    blacklists, recommended, messages, migrated_database: Database
):
    several = recommended[:4]
    assert len(several) == 4
    recorded = [await found(blacklists, config_id) for config_id in several]
    applied = await asyncio.gather(*(blacklists.apply(item, failed(item.config_id), messages) for item in recorded))
    assert {item.version: len(item.entries) for item in applied} == {1: 1, 2: 2, 3: 3, 4: 4}
    sent = await migrated_database.fetch("SELECT value FROM outbox ORDER BY id")
    assert [row[0] for row in sent] == [f"c1|cuda v{count} {count}".encode() for count in (1, 2, 3, 4)]


async def test_an_expired_entry_is_not_told_and_is_dropped_by_the_next_feedback(blacklists, recommended, messages, migrated_database):
    first, second = recommended[:2]
    await blacklists.apply(await found(blacklists, first), failed(first), messages)
    await migrated_database.fetch("UPDATE blacklist SET expires_at = now() - interval '1 second'")
    assert (await blacklists.get("c1|cuda")).entries == ()
    await blacklists.apply(await found(blacklists, second), failed(second), messages)
    assert [row[0] for row in await migrated_database.fetch("SELECT config_id FROM blacklist")] == [second]


async def test_an_error_in_the_message_leaves_no_trace_of_the_feedback(blacklists, recommended, migrated_database: Database):
    class FailingMessages:
        def blacklist(self, blacklist: object) -> object:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await blacklists.apply(await found(blacklists, recommended[0]), failed(recommended[0]), FailingMessages())
    assert await blacklists.versions(["c1|cuda"]) == {}
    assert await migrated_database.fetch("SELECT 1 FROM feedback UNION ALL SELECT 1 FROM blacklist") == []


async def test_workflows_within_their_transaction_see_the_blacklist(blacklists, recommended, messages, workflows):
    await blacklists.apply(await found(blacklists, recommended[0]), failed(recommended[0]), messages)
    request = make_request()
    await workflows.insert_if_absent(request)
    async with workflows.locked(request.workflow_id) as workflow:
        listed, empty = await workflow.blacklisted(["c1|cuda", "c2|cuda"])
    assert (listed.version, len(listed.entries), empty.version, empty.entries) == (1, 1, 0, ())
