"""Workers killed in a burst: every workflow completes, once."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import UUID

import pytest

from budsim.adapters.embedded_kafka import EmbeddedKafka
from tests.support.databases import Database
from tests.support.invariants import Expectation, check, completed, gather_evidence
from tests.support.stack import Stack, running_stack, two_groups_cluster

pytestmark = pytest.mark.chaos
REQUESTS = 200
PARTS = 4
SIGTERM_S = 10.0


@pytest.fixture
def stack(
    kafka: EmbeddedKafka, migrated_database: Database, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    monkeypatch.setenv("BUDSIM_HUB_ENABLED", "false")
    with running_stack(kafka.bootstrap, migrated_database.dsn, topic_prefix, tmp_path, workers=("flow", "eval-0", "eval-1")) as running:
        yield running


async def test_of_two_hundred_requests_none_is_lost_or_partial_when_one_eval_worker_is_killed_and_another_stopped(
    stack: Stack, record_property: Callable[[str, object], None]
) -> None:
    """Spread over twelve keys, and again all on two."""
    clusters = [f"cluster-{number}" for number in range(12)]
    await stack.report_clusters(*map(two_groups_cluster, clusters))
    await stack.ready("eval-0", "eval-1")
    spread = await burst(stack, clusters, ("eval-0", "eval-1"), record_property)
    await stack.ready("eval-0-again", "eval-1-again")
    dense = await burst(stack, clusters[:2], ("eval-0-again", "eval-1-again"), record_property)
    await stack.drained()
    evidence = await gather_evidence(stack)
    check(evidence, Expectation(statuses=completed([*spread, *dense]), parts=PARTS))
    assert [len({row["key"] for row in evidence.of(ids).parts}) for ids in (spread, dense)] == [12, 2]


async def burst(stack: Stack, clusters: Sequence[str], workers: tuple[str, str], note: Callable[[str, object], None]) -> list[UUID]:
    """Send all requests at once; on the way kill one worker and stop the other, each replaced."""
    killed, stopped = workers
    started_s = time.monotonic()
    ids = await stack.ask(count=REQUESTS, cluster_ids=clusters, deadline_s=300)
    await stack.wait_ended(ids, deadline_s=90, at_least=REQUESTS // 10)
    stack.kill(killed, signal.SIGKILL)
    stack.start(f"{killed}-again")
    await stack.wait_ended(ids, deadline_s=120, at_least=REQUESTS // 3)
    took_s = await asyncio.to_thread(stack.terminate, stopped)
    stack.start(f"{stopped}-again")
    await stack.wait_ended(ids, deadline_s=240)
    note(f"{len(clusters)}_keys", f"{time.monotonic() - started_s:.1f} s, SIGTERM {took_s:.1f} s")
    assert took_s < SIGTERM_S
    return ids
