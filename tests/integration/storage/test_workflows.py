"""Workflows: taken once, ended once, cancelled before they came, due once."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from budsim.core.search.part import PartResult, PartStatus
from budsim.services.ports import PartClaim, PlanNotes, Stage, StepProgress, StoredPart, WorkflowStatus, leader_of
from budsim.storage.workflows import CHANNEL, PostgresWorkflows
from tests.support.databases import Database
from tests.support.storage_values import answer_of, make_request, parts_of, result_of
from tests.support.waiting import wait_until

WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def started(workflows: PostgresWorkflows, *cluster_ids: str, deadline_s: float = 1000.0):
    """Store a running workflow with one part on each cluster."""
    request = make_request()
    parts = parts_of(request.workflow_id, *(cluster_ids or ("c1",)))
    await workflows.insert_if_absent(request)
    async with workflows.locked(request.workflow_id) as workflow:
        await workflow.plan(parts, PlanNotes(eta_s=3.0, warnings=("stale",)), deadline_s=deadline_s)
    return request, parts


async def status_of(workflows: PostgresWorkflows, workflow_id):
    async with workflows.locked(workflow_id) as workflow:
        return workflow.status


async def test_of_many_that_insert_the_same_request_at_once_one_takes_it(workflows):
    request = make_request()
    assert sorted(await asyncio.gather(*(workflows.insert_if_absent(request) for _ in range(6)))) == [False] * 5 + [True]


async def test_request_parts_and_notes_come_back_as_they_were_stored(workflows):
    request, parts = await started(workflows, "c1", "c2")
    async with workflows.locked(request.workflow_id) as workflow:
        assert workflow.request == request
        assert workflow.status is WorkflowStatus.RUNNING
        assert workflow.notes == PlanNotes(eta_s=3.0, warnings=("stale",))
        stored = await workflow.parts()
    assert sorted((item.part for item in stored), key=lambda part: part.key) == parts
    assert [item.result for item in stored] == [None, None]


async def test_an_error_within_the_lock_leaves_nothing_behind(workflows, migrated_database: Database):
    request = make_request()
    await workflows.insert_if_absent(request)
    with pytest.raises(ZeroDivisionError):
        async with workflows.locked(request.workflow_id) as workflow:
            await workflow.plan(parts_of(request.workflow_id, "c1"), PlanNotes(), deadline_s=1.0)
            await workflow.progress(StepProgress(event="e", title="t", message="m", status="STARTED"))
            raise ZeroDivisionError
    assert await status_of(workflows, request.workflow_id) is WorkflowStatus.PENDING
    assert await migrated_database.fetch("SELECT 1 FROM parts UNION ALL SELECT 1 FROM outbox") == []


async def test_the_first_result_of_a_part_is_kept_and_counted_once(workflows, migrated_database: Database):
    request, (part,) = await started(workflows)
    first = result_of(part)
    async with workflows.locked(request.workflow_id) as workflow:
        assert await workflow.record(first) is True
    async with workflows.locked(request.workflow_id) as workflow:
        assert await workflow.record(replace(first, reason="another")) is False
        assert [item.result for item in await workflow.parts()] == [first]
    assert [tuple(row) for row in await migrated_database.fetch("SELECT parts_total, parts_done FROM workflows")] == [(1, 1)]


async def test_the_first_configuration_of_every_part_that_has_one_is_read_alone(workflows):
    request, parts = await started(workflows, "c1", "c2", "c3")
    found, refused = result_of(parts[0]), PartResult(part_id=parts[1].part_id, status=PartStatus.INFEASIBLE, reason="r", remedy="m")
    async with workflows.locked(request.workflow_id) as workflow:
        assert await workflow.leaders() == []
        await workflow.record(found)
        await workflow.record(refused)
        assert await workflow.leaders() == [leader_of(StoredPart(part=parts[0], result=found))]


async def test_a_result_for_a_part_of_another_workflow_is_not_kept(workflows):
    _, (foreign,) = await started(workflows)
    request, _ = await started(workflows)
    async with workflows.locked(request.workflow_id) as workflow:
        assert await workflow.record(result_of(foreign)) is False


async def test_progress_events_are_numbered_from_0_without_a_gap_across_transactions(workflows, migrated_database: Database):
    request, _ = await started(workflows)
    for event in ("a", "b", "c"):
        async with workflows.locked(request.workflow_id) as workflow:
            await workflow.progress(StepProgress(event=event, title="t", message="m", status="RUNNING"))
    rows = await migrated_database.fetch("SELECT value, stream_key FROM outbox ORDER BY id")
    assert [(row["value"], row["stream_key"]) for row in rows] == [(value, str(request.workflow_id)) for value in (b"0 a", b"1 b", b"2 c")]


async def test_of_two_that_end_a_workflow_at_once_only_the_first_changes_it(workflows, migrated_database: Database):
    request, parts = await started(workflows)
    answer = answer_of(request, parts)
    first_holds, second_waits = asyncio.Event(), asyncio.Event()

    async def end(status: WorkflowStatus, *, first: bool) -> None:
        if not first:
            await first_holds.wait()
        async with workflows.locked(request.workflow_id) as workflow:
            if first:
                first_holds.set()
                await second_waits.wait()
            await workflow.finish(status, replace(answer, created_s=1.0 if first else 2.0))

    async def watch() -> None:
        await wait_until(lambda: migrated_database.fetch(WAITING), what="the second to wait for the row")
        second_waits.set()

    await asyncio.gather(end(WorkflowStatus.COMPLETED, first=True), end(WorkflowStatus.FAILED, first=False), watch())
    stored = await migrated_database.fetch("SELECT status, result->>'created_s' AS created FROM workflows")
    assert [tuple(row) for row in stored] == [("COMPLETED", "1.0")]
    assert (await migrated_database.fetch("SELECT count(DISTINCT config_id) = count(*) AND count(*) > 0 FROM simulation_results"))[0][0]


async def test_a_cancelled_workflow_is_not_ended_again(workflows, migrated_database: Database):
    request, parts = await started(workflows)
    assert await workflows.cancel(request.workflow_id) is WorkflowStatus.CANCELLED
    async with workflows.locked(request.workflow_id) as workflow:
        await workflow.finish(WorkflowStatus.COMPLETED, answer_of(request, parts))
    assert await status_of(workflows, request.workflow_id) is WorkflowStatus.CANCELLED
    assert await migrated_database.fetch("SELECT 1 FROM simulation_results") == []


async def outbox_of(database: Database, workflow_id) -> list[str]:
    rows = await database.fetch("SELECT value FROM outbox WHERE stream_key = $1 ORDER BY id", str(workflow_id))
    return [row["value"].decode() for row in rows]


async def test_a_cancellation_is_told_once_by_a_last_event_and_a_failed_answer(workflows, migrated_database: Database):
    request, _ = await started(workflows)
    before = await outbox_of(migrated_database, request.workflow_id)
    for _ in range(2):
        await workflows.cancel(request.workflow_id)
    (row,) = await migrated_database.fetch("SELECT seq FROM workflows")
    last = ["answer failed", f"{row['seq'] - 1} performance_estimation"]
    assert sorted(await outbox_of(migrated_database, request.workflow_id)) == sorted([*before, *last])


async def test_a_cancellation_before_the_request_is_told_once(workflows, migrated_database: Database):
    request = make_request()
    for _ in range(2):
        assert await workflows.cancel(request.workflow_id) is WorkflowStatus.CANCELLED
    assert not await workflows.insert_if_absent(request)
    assert await outbox_of(migrated_database, request.workflow_id) == ["cancelled before it came"]


async def test_what_has_ended_is_told_of_no_cancellation(workflows, migrated_database: Database):
    request, parts = await started(workflows)
    async with workflows.locked(request.workflow_id) as workflow:
        await workflow.finish(WorkflowStatus.COMPLETED, answer_of(request, parts))
    before = await outbox_of(migrated_database, request.workflow_id)
    assert await workflows.cancel(request.workflow_id) is WorkflowStatus.COMPLETED
    assert await outbox_of(migrated_database, request.workflow_id) == before


async def test_a_completed_workflow_is_not_cancelled(workflows):
    request, parts = await started(workflows)
    async with workflows.locked(request.workflow_id) as workflow:
        await workflow.finish(WorkflowStatus.COMPLETED, answer_of(request, parts))
    assert await workflows.cancel(request.workflow_id) is WorkflowStatus.COMPLETED


async def test_a_request_that_comes_after_its_cancellation_is_not_taken(workflows):
    request = make_request()
    assert await workflows.cancel(request.workflow_id) is WorkflowStatus.CANCELLED
    assert await workflows.insert_if_absent(request) is False
    async with workflows.locked(request.workflow_id) as workflow:
        assert workflow is None


async def test_an_unknown_workflow_is_none(workflows):
    async with workflows.locked(uuid4()) as workflow:
        assert workflow is None


async def test_the_end_is_notified_only_once_it_is_committed(workflows, migrated_database: Database):
    request, parts = await started(workflows)
    heard: list[str] = []
    listener = await asyncpg.connect(migrated_database.plain_dsn)
    await listener.add_listener(CHANNEL, lambda *event: heard.append(event[3]))
    async with workflows.locked(request.workflow_id) as workflow:
        await workflow.finish(WorkflowStatus.COMPLETED, answer_of(request, parts))
        await listener.execute("SELECT 1")
        assert heard == []
    await wait_until(lambda: heard, what="the notification")
    await listener.close()
    assert heard == [str(request.workflow_id)]


async def test_each_stage_counts_its_own_attempts_on_a_part(workflows):
    _, (part,) = await started(workflows)
    claims = await asyncio.gather(*(workflows.claim_part(part.part_id, Stage.EVALUATE) for _ in range(4)))
    assert sorted(claim.attempts for claim in claims) == [1, 2, 3, 4]
    assert all(claim.open for claim in claims)
    assert await workflows.claim_part(part.part_id, Stage.SEARCH) == PartClaim(known=True, open=True, attempts=1)


async def test_a_part_with_a_result_or_of_a_cancelled_workflow_is_closed_and_an_unknown_one_unknown(workflows):
    request, (done, other) = await started(workflows, "c1", "c2")
    async with workflows.locked(request.workflow_id) as workflow:
        await workflow.record(result_of(done))
    assert (await workflows.claim_part(done.part_id, Stage.SEARCH)).open is False
    assert (await workflows.claim_part(other.part_id, Stage.SEARCH)).open is True
    await workflows.cancel(request.workflow_id)
    assert (await workflows.claim_part(other.part_id, Stage.SEARCH)).open is False
    assert await workflows.claim_part(str(uuid4()), Stage.SEARCH) == PartClaim(known=False, open=False, attempts=0)


async def test_a_passed_deadline_is_announced_once_and_a_later_one_not_yet(workflows, migrated_database: Database):
    passed, _ = await started(workflows, deadline_s=100.0)
    await started(workflows, deadline_s=200.0)
    announced = await asyncio.gather(*(workflows.due(150.0, 10) for _ in range(3)))
    assert [workflow_id for found in announced for workflow_id in found] == [passed.workflow_id]
    rows = await migrated_database.fetch("SELECT value FROM outbox")
    assert [row["value"] for row in rows] == [f"deadline {passed.workflow_id}".encode()]


async def test_due_passes_over_a_workflow_that_is_being_decided_on(workflows):
    held, _ = await started(workflows, deadline_s=100.0)
    free, _ = await started(workflows, deadline_s=101.0)
    async with workflows.locked(held.workflow_id):
        assert await asyncio.wait_for(workflows.due(150.0, 10), 5.0) == [free.workflow_id]
    assert await workflows.due(150.0, 10) == [held.workflow_id]


async def test_a_row_of_results_speaks_the_units_and_names_of_the_contract(workflows, migrated_database: Database):
    request, parts = await started(workflows)
    answer = answer_of(request, parts)
    async with workflows.locked(request.workflow_id) as workflow:
        await workflow.finish(WorkflowStatus.COMPLETED, answer)
    rows = await migrated_database.fetch("SELECT * FROM simulation_results ORDER BY cluster_rank, rank")
    best = answer.clusters[0].best
    expected = {
        "workflow_id": request.workflow_id,
        "rank": 0,
        "model_name": "org/model-8b",
        "model_version": "unknown",
        "target_concurrency": 32,
        "target_ttft": 500.0,  # 0.5 s
        "target_throughput_per_user": 0.0,  # not asked for
        "target_e2e_latency": 0.0,
        "cluster_id": "c1",
        "node_id": "n0",
        "node_name": "node-0",
        "device_type": "cuda",
        "mem_per_gpu_in_gb": 80.0,
        "hbm_bandwidth_in_gb_per_sec": 2000.0,  # 2e12 bytes/s
        "intra_node_bandwidth_in_gb_per_sec": 300.0,  # 3e11 bytes/s
        "inter_node_bandwidth_in_gb_per_sec": 25.0,  # 2.5e10 bytes/s
        "peak_fp16_tflops": 300.0,  # 3e14 FLOP/s
        "peak_i8_tflops": 0.0,  # no such path
        "available_count": 8,
        "engine": "vllm",
        "is_blacklisted": False,
    }
    assert {name: rows[0][name] for name in expected} == expected
    assert str(rows[0]["config_id"]) == best.configuration.config_id
    placed = await migrated_database.fetch("SELECT jsonb_array_length(top_k_configs->'placement') FROM simulation_results WHERE rank = 0")
    assert placed[0][0] == best.replicas
    assert rows[0]["ttft_p5"] <= rows[0]["ttft"] <= rows[0]["ttft_p95"]
