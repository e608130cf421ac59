"""Deadlines that pass while no flow worker is there."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.adapters.model_sets import SetFolders
from budsim.adapters.part_search import PartSearch
from budsim.config import SHIPPED_MODELS
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.search.evaluate import narrow
from budsim.core.search.part import Part, PartResult, SearchTask
from budsim.storage.values import PART
from tests.support.databases import Database
from tests.support.invariants import Expectation, check, gather_evidence
from tests.support.stack import Stack, running_stack, two_groups_cluster
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos
PARTS = 4
DEADLINE_S = 5.0  # the shortest


@pytest.fixture
def stack(
    kafka: EmbeddedKafka, migrated_database: Database, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    """Two flow workers and nobody who computes: parts stay open unless the test answers them."""
    monkeypatch.setenv("BUDSIM_HUB_ENABLED", "false")
    with running_stack(kafka.bootstrap, migrated_database.dsn, topic_prefix, tmp_path, workers=("flow-0", "flow-1")) as running:
        yield running


@pytest.fixture
async def ready(stack: Stack) -> AsyncIterator[Stack]:
    await stack.ready("flow-0", "flow-1")
    await stack.report_clusters(two_groups_cluster("c1"))
    yield stack


async def planned_parts(stack: Stack, workflow_id: UUID) -> list[Part]:
    rows = await wait_until(
        lambda: stack.rows("SELECT part FROM parts WHERE workflow_id = $1 ORDER BY id", workflow_id), 60.0, what="the workflow is planned"
    )
    return [PART.validate_json(row["part"]) for row in rows]  # type: ignore[attr-defined]


def computed(part: Part) -> PartResult:
    found = narrow(part, (), AnalyticMemory(), now_s=time.time())
    search = PartSearch(folders=SetFolders(primary=SHIPPED_MODELS))
    return search(found) if isinstance(found, SearchTask) else found


async def test_a_deadline_that_passes_after_all_flow_workers_were_killed_is_answered_by_the_next_naming_what_is_missing(
    ready: Stack,
) -> None:
    stack = ready
    partly, none = await stack.ask(count=2, cluster_ids=["c1"], deadline_s=DEADLINE_S)
    answered, *open_parts = await planned_parts(stack, partly)
    unanswered = await planned_parts(stack, none)
    for name in ("flow-0", "flow-1"):
        stack.kill(name, signal.SIGKILL)
    await stack.send(stack.messages.part_finished(answered, computed(answered)))
    await wait_until(lambda: _passed(stack), 4 * DEADLINE_S, what="the deadlines pass")
    stack.start("flow-2")
    await stack.wait_ended([partly, none], deadline_s=60)
    answers = {workflow_id: await stack.answer(workflow_id) for workflow_id in (partly, none)}

    assert answers[partly].status == "partial"
    assert {item.part_id for item in answers[partly].missing} == {part.part_id for part in open_parts}
    assert {item.engine for item in answers[partly].recommendations[0].configurations} == {answered.engine.kind.value}
    failure = answers[none].error
    assert answers[none].status == "failed"
    assert failure is not None
    assert failure.code == "simulation_timed_out"
    assert f"none of {len(unanswered)} parts" in failure.message

    await asyncio.gather(*(stack.send(stack.messages.part_finished(part, computed(part))) for part in open_parts))  # too late
    await wait_until(lambda: _gathered(stack), 30.0, what="late results are read")
    check(await gather_evidence(stack), Expectation(statuses={partly: "PARTIAL", none: "FAILED"}))


async def _passed(stack: Stack) -> bool:
    (row,) = await stack.rows("SELECT bool_and(deadline_at < clock_timestamp()) AS passed FROM workflows")
    return bool(row["passed"])


async def _gathered(stack: Stack) -> bool:
    return not any(topic.endswith("workflow-events.v1") for topic in await stack.lag())
