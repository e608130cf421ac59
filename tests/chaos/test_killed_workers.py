"""Workers killed in a burst: every workflow completes, once."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from budsim.adapters.embedded_kafka import EmbeddedKafka
from tests.support.databases import Database
from tests.support.invariants import Expectation, check, completed, gather_evidence
from tests.support.stack import Stack, running_stack, two_groups_cluster

pytestmark = pytest.mark.chaos
REQUESTS = 200
PARTS = 4


@pytest.fixture
def stack(
    kafka: EmbeddedKafka, migrated_database: Database, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    monkeypatch.setenv("BUDSIM_HUB_ENABLED", "false")
    with running_stack(kafka.bootstrap, migrated_database.dsn, topic_prefix, tmp_path, workers=("flow", "eval-0", "eval-1")) as running:
        yield running


@pytest.mark.parametrize("keys", [12, 2])
async def test_of_two_hundred_requests_none_is_lost_or_partial_when_one_eval_worker_is_killed_and_another_stopped(
    stack: Stack, keys: int
) -> None:
    clusters = [f"cluster-{number}" for number in range(keys)]
    await stack.report_clusters(*map(two_groups_cluster, clusters))
    await stack.ready("eval-0", "eval-1")
    ids = await stack.ask(count=REQUESTS, cluster_ids=clusters, deadline_s=300)
    await stack.wait_ended(ids, deadline_s=90, at_least=20)
    stack.kill("eval-0", signal.SIGKILL)
    stack.start("eval-2")
    await stack.wait_ended(ids, deadline_s=120, at_least=80)
    assert stack.terminate("eval-1") < 10
    await stack.wait_ended(ids, deadline_s=240)
    await stack.drained()
    evidence = await gather_evidence(stack)
    check(evidence, Expectation(statuses=completed(ids), parts=PARTS))
    assert len({row["key"] for row in evidence.parts}) == keys
