"""Outages in a burst, with workers stopped and started in them: nothing lost, nothing dead-lettered for it, nothing doubled."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.adapters.embedded_postgres import EmbeddedPostgres
from budsim.app import topic_specs
from budsim.cli.admin import topic_admin
from tests.support.databases import Database
from tests.support.invariants import Expectation, check, completed, gather_evidence
from tests.support.stack import Stack, running_stack, two_groups_cluster
from tests.support.waiting import wait_until
from topics import catalogue
from topics.feedback import FeedbackGiven

pytestmark = pytest.mark.chaos
REQUESTS = 50
PARTS = 4
OUTAGE_S = 15.0
SIGTERM_S = 10.0
WORKERS = ("flow-0", "eval-0", "eval-1")
CLUSTERS = ("cluster-0", "cluster-1")
UNREADABLE = tuple(b"{never JSON %d" % number for number in range(6))
Note = Callable[[str, object], None]


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDSIM_HUB_ENABLED", "false")


@pytest.fixture
def on_own_postgres(kafka: EmbeddedKafka, own_postgres: EmbeddedPostgres, topic_prefix: str, own_folder: Path) -> Iterator[Stack]:
    with running_stack(kafka.bootstrap, own_postgres.dsn, topic_prefix, own_folder, workers=WORKERS) as running:
        yield running


@pytest.fixture
def on_own_kafka(own_kafka: EmbeddedKafka, migrated_database: Database, topic_prefix: str, own_folder: Path) -> Iterator[Stack]:
    with running_stack(own_kafka.bootstrap, migrated_database.dsn, topic_prefix, own_folder, workers=WORKERS) as running:
        yield running


@asynccontextmanager
async def outage(server: EmbeddedKafka | EmbeddedPostgres, note: Note) -> AsyncIterator[None]:
    """Stop a server for at least OUTAGE_S; the body runs meanwhile."""
    await asyncio.to_thread(server.stop)
    away = asyncio.create_task(asyncio.sleep(OUTAGE_S))  # the outage itself
    stopped_s = time.monotonic()
    yield
    await away
    note("outage_s", time.monotonic() - stopped_s)
    await asyncio.to_thread(server.start)


async def recovery(stack: Stack, ids: Sequence[UUID], *, before: int, note: Note) -> None:
    """See that work goes on by itself: a quarter of the burst ends that had not ended as the outage began."""
    back_s = time.monotonic()
    await stack.wait_ended(ids, deadline_s=90, at_least=before + REQUESTS // 4)
    note("recovery_s", round(time.monotonic() - back_s, 1))


async def burst_begun(stack: Stack) -> tuple[list[UUID], int]:
    """Send the burst and return, once the first have ended, how many have."""
    ids = await stack.ask(count=REQUESTS, cluster_ids=CLUSTERS, deadline_s=300)
    await stack.wait_ended(ids, deadline_s=60, at_least=2)
    ended = await stack.ended(ids)
    assert ended < REQUESTS // 2
    return ids, ended


async def replace_workers(stack: Stack, note: Note) -> None:
    """Stop one worker of each group by SIGTERM and start another in its place: a rebalance in both."""
    for old, new in (("eval-1", "eval-2"), ("flow-0", "flow-1")):
        took_s = await asyncio.to_thread(stack.terminate, old)
        note(f"sigterm_{old}_s", round(took_s, 1))
        assert took_s < SIGTERM_S
        stack.start(new)


async def first_answer(stack: Stack) -> tuple[UUID, UUID]:
    """See that everything works, and return a workflow and a configuration that was recommended."""
    await stack.report_clusters(*map(two_groups_cluster, CLUSTERS))
    await stack.ready(*WORKERS)
    ids = await stack.ask(cluster_ids=CLUSTERS)
    answer = await stack.answer(ids[0], deadline_s=60)
    return ids[0], UUID(answer.recommendations[0].configurations[0].config_id)


async def delete_dead_letters(stack: Stack) -> None:
    admin = AIOKafkaAdminClient(**stack.settings.kafka.options())
    await admin.start()
    try:
        await admin.delete_topics([stack.settings.topic_prefix + catalogue.DEAD_LETTERS])
    finally:
        await admin.close()


async def test_postgresql_and_the_dead_letter_topic_away_in_a_burst_lose_nothing_and_what_must_be_dead_lettered_waits(
    on_own_postgres: Stack, own_postgres: EmbeddedPostgres, record_property: Note
) -> None:
    stack = on_own_postgres
    first, config_id = await first_answer(stack)
    await delete_dead_letters(stack)
    ids, before = await burst_begun(stack)
    await stack.send(*(stack.raw(value, key=b"bad %d" % number) for number, value in enumerate(UNREADABLE)))
    async with outage(own_postgres, record_property):
        await stack.send(stack.messages.feedback(FeedbackGiven(config_id=config_id, failed=True, reason="the pod crashed")))
        late = await stack.ask(count=2, cluster_ids=CLUSTERS, deadline_s=300)
        await replace_workers(stack, record_property)
    await recovery(stack, ids, before=before, note=record_property)  # while dead letters still wait
    assert await stack.lag()  # they hold their partitions
    await topic_admin(stack.settings).apply(topic_specs(stack.settings))
    everyone = [first, *ids, *late]
    await stack.wait_ended(everyone, deadline_s=240)
    await stack.drained(deadline_s=90)
    check(await gather_evidence(stack), Expectation(statuses=completed(everyone), parts=PARTS, dead_letters=UNREADABLE))


async def test_kafka_away_in_a_burst_loses_nothing(on_own_kafka: Stack, own_kafka: EmbeddedKafka, record_property: Note) -> None:
    stack = on_own_kafka
    first, _ = await first_answer(stack)
    ids, before = await burst_begun(stack)
    async with outage(own_kafka, record_property):
        await replace_workers(stack, record_property)
        for name in ("eval-2", "flow-1"):
            await wait_until(lambda name=name: "the worker starts when it answers" in stack.log(name), 60.0, what=f"{name} waits")
    await recovery(stack, ids, before=before, note=record_property)
    await stack.wait_ended([first, *ids], deadline_s=240)
    await stack.drained(deadline_s=90)
    check(await gather_evidence(stack), Expectation(statuses=completed([first, *ids]), parts=PARTS))
