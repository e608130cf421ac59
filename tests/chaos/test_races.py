"""Events that meet: clusters and requests, cancellations and results, killed search processes and their neighbours."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.app import create_stores
from budsim.services.ports import WorkflowStatus
from budsim.stream.producer import KafkaPublisher
from tests.support.databases import Database, create_database, drop_database
from tests.support.invariants import Expectation, check, completed, gather_evidence
from tests.support.stack import Stack, running_stack, two_groups_cluster
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos
PARTS = 4
TIMES = 50
ATTEMPTS = "SELECT engine, search_attempts AS n FROM parts WHERE workflow_id = ANY($1) ORDER BY search_attempts"


@pytest.fixture(scope="module")
def module_database(postgres, migrated_template: Database) -> Iterator[Database]:
    made = create_database(postgres.dsn, template=migrated_template.name)
    yield made
    drop_database(postgres.dsn, made)


@pytest.fixture(scope="module")
def stack(kafka: EmbeddedKafka, module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Workers that all tests here share, one after the other."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BUDSIM_HUB_ENABLED", "false")
        folder, prefix = tmp_path_factory.mktemp("races"), f"t{uuid4().hex[:10]}."
        with running_stack(kafka.bootstrap, module_database.dsn, prefix, folder, workers=("flow",)) as running:
            running.start_poisoned("eval-0")
            yield running


@pytest.fixture
async def ready(stack: Stack) -> Stack:
    await stack.ready("flow", "eval-0")
    return stack


async def held_process(folder: Path, name: str) -> int:
    """Return the id of the process in which the part of a held cluster is searched."""
    file = folder / f"{name}.pid"
    await wait_until(file.exists, 60.0, what=f"a part of {name} is searched")
    pid = int(file.read_text())
    file.unlink()
    return pid


async def test_of_fifty_clusters_reported_at_once_with_a_request_for_them_none_is_unknown(ready: Stack) -> None:
    stack, ids, publisher = ready, [uuid4() for _ in range(TIMES)], KafkaPublisher(ready.settings.kafka)
    for workflow_id in ids:
        cluster = two_groups_cluster(f"new-{workflow_id}")
        request = stack.request(workflow_id, cluster_id=cluster.id, deadline_s=120)
        await asyncio.gather(publisher.publish([stack.messages.cluster(cluster)]), publisher.publish([request]))
    await publisher.stop()
    await stack.wait_ended(ids, deadline_s=120)
    await stack.drained()
    check((await gather_evidence(stack)).of(ids), Expectation(statuses=completed(ids), parts=PARTS))


async def test_a_request_cancelled_before_it_came_or_in_mid_flight_is_not_computed_further_and_gets_no_recommendation(ready: Stack) -> None:
    stack, workflows = ready, create_stores(ready.settings).workflows
    await stack.report_clusters(two_groups_cluster("held-cancelled"), two_groups_cluster("calm"))
    early = uuid4()
    assert await workflows.cancel(early) is WorkflowStatus.CANCELLED
    await stack.send(stack.request(early, cluster_id="calm"))
    (flying,) = await stack.ask(cluster_ids=["held-cancelled"])
    await held_process(stack.folder, "held-cancelled")
    assert await workflows.cancel(flying) is WorkflowStatus.CANCELLED
    (queued,) = await stack.ask(cluster_ids=["calm"])
    (stack.folder / "held-cancelled.go").touch()
    await stack.wait_ended([queued], deadline_s=60)
    await stack.drained()
    ended = {early: "CANCELLED", flying: "CANCELLED", queued: "COMPLETED"}
    evidence = (await gather_evidence(stack)).of(ended)
    check(evidence, Expectation(statuses=ended, parts=PARTS))
    totals = {row["id"]: (row["parts_total"], row["parts_total"] - row["parts_done"] > 0) for row in evidence.workflows}
    assert totals == {early: (0, False), flying: (PARTS, True), queued: (PARTS, False)}


async def test_a_killed_search_process_costs_its_part_one_attempt_and_its_neighbours_and_the_worker_nothing(ready: Stack) -> None:
    stack, worker = ready, ready.processes["eval-0"]
    await stack.report_clusters(two_groups_cluster("held-killed"), two_groups_cluster("calm"))
    ids = await stack.ask(count=4, cluster_ids=["held-killed", "calm", "calm", "calm"])
    os.kill(await held_process(stack.folder, "held-killed"), signal.SIGKILL)
    (stack.folder / "held-killed.go").touch()
    await stack.wait_ended(ids, deadline_s=60)
    await stack.drained()
    assert [row["n"] for row in await stack.rows(ATTEMPTS, ids)] == [1] * (4 * PARTS - 1) + [2]
    check((await gather_evidence(stack)).of(ids), Expectation(statuses=completed(ids), parts=PARTS))
    assert worker.poll() is None


async def test_a_part_that_kills_its_process_each_time_fails_after_three_attempts_and_the_others_are_ranked(ready: Stack) -> None:
    stack, worker = ready, ready.processes["eval-0"]
    await stack.report_clusters(two_groups_cluster("poisoned"), two_groups_cluster("calm"))
    ids = await stack.ask(count=2, cluster_ids=["poisoned", "calm"])
    await stack.wait_ended(ids, deadline_s=90)
    await stack.drained()
    assert [row["n"] for row in await stack.rows(ATTEMPTS, ids)] == [1] * (2 * PARTS - 1) + [3]
    evidence = (await gather_evidence(stack)).of(ids)
    (letter,) = evidence.letters
    assert (letter.agent, letter.error, letter.attempts) == ("search", "WorkerCrashed", 3)
    check(evidence, Expectation(statuses=completed(ids), parts=PARTS, dead_letters=[letter.record.value]))
    answer = await stack.answer(ids[0])
    assert [item.cluster_id for item in answer.recommendations] == ["poisoned"]
    (rejected,) = [item for item in answer.rejected if item.engine == "sglang"]
    assert "failed 3 times" in rejected.reason
    assert worker.poll() is None
