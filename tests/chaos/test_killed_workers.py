"""Workers killed in a burst: every workflow completes, once."""

import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from budsim.adapters.embedded_kafka import EmbeddedKafka
from tests.support.databases import Database
from tests.support.stack import Stack, example_request, running_stack, wait_for

pytestmark = pytest.mark.chaos
REQUESTS = 200


@pytest.fixture
def stack(
    kafka: EmbeddedKafka, migrated_database: Database, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    monkeypatch.setenv("BUDSIM_HUB_ENABLED", "false")
    with running_stack(kafka.bootstrap, migrated_database.dsn, topic_prefix, tmp_path, workers=("flow", "eval-0", "eval-1")) as running:
        yield running


async def test_two_hundred_requests_survive_a_killed_and_a_stopped_worker(stack: Stack) -> None:
    await stack.report_examples()
    ids = [uuid4() for _ in range(REQUESTS)]
    await stack.send(*(stack.messages.request(example_request(deadline_s=300), workflow_id) for workflow_id in ids))

    async def done() -> int:
        rows = await stack.rows("SELECT count(*) AS n FROM workflows WHERE status = 'COMPLETED'")
        return int(rows[0]["n"])

    async def some() -> bool:
        return await done() >= 10

    async def everything() -> bool:
        return await done() == REQUESTS

    await wait_for(some, deadline_s=60)
    stack.kill("eval-0", signal.SIGKILL)
    stack.start("eval-2")
    stack.kill("eval-1", signal.SIGTERM)
    await wait_for(everything, deadline_s=150)

    async def all_sent() -> bool:
        return len(await stack.answers()) == REQUESTS

    await wait_for(all_sent, deadline_s=30)
    answers = await stack.answers()
    assert set(answers) == {str(workflow_id) for workflow_id in ids}
    for found in answers.values():
        assert len({ce_id for ce_id, _ in found}) == 1
        assert {answer.status for _, answer in found} == {"completed"}
    doubled = await stack.rows("SELECT part_id, rank FROM simulation_results GROUP BY part_id, rank, workflow_id HAVING count(*) > 1")
    assert doubled == []
