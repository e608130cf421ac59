"""Outages of PostgreSQL and Kafka in a burst: nothing lost, nothing dead-lettered for it, nothing doubled."""

import asyncio
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from uuid import uuid4

import pytest

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.adapters.embedded_postgres import EmbeddedPostgres
from budsim.cli.kafka import read_all
from budsim.storage.migrate import upgrade
from tests.support.databases import run_apart
from tests.support.stack import Stack, example_request, running_stack, wait_for
from topics import catalogue

pytestmark = pytest.mark.chaos
REQUESTS = 50
OUTAGE_S = 15.0


@pytest.fixture
def servers() -> Iterator[tuple[EmbeddedKafka, EmbeddedPostgres, Path]]:
    """Servers of the test's own: it stops them."""
    folder = Path(tempfile.mkdtemp(prefix="budsim-outage-"))
    kafka, postgres = EmbeddedKafka(folder / "kafka"), EmbeddedPostgres(folder / "postgres")
    try:
        postgres.start()
        kafka.start()
        run_apart(lambda: upgrade(postgres.dsn))
        yield kafka, postgres, folder
    finally:
        kafka.stop()
        postgres.stop()
        rmtree(folder, ignore_errors=True)


@pytest.fixture
def stack(servers: tuple[EmbeddedKafka, EmbeddedPostgres, Path], topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setenv("BUDSIM_HUB_ENABLED", "false")
    kafka, postgres, folder = servers
    workers = ("flow", "eval-0", "eval-1")
    with running_stack(kafka.bootstrap, postgres.dsn, topic_prefix, folder, workers=workers) as running:
        yield running


async def _burst_with_outage(stack: Stack, server: EmbeddedKafka | EmbeddedPostgres) -> None:
    """Stop a server in a burst, restart a worker in the outage, and see every request answered once."""
    await stack.report_examples()
    first = uuid4()
    await stack.send(stack.messages.request(example_request(deadline_s=300), first))
    await stack.answer(first, deadline_s=45)
    ids = [uuid4() for _ in range(REQUESTS)]
    await stack.send(*(stack.messages.request(example_request(deadline_s=300), workflow_id) for workflow_id in ids))
    await asyncio.to_thread(server.stop)
    stack.kill("eval-1", signal.SIGTERM)
    stack.start("eval-2")
    await asyncio.sleep(OUTAGE_S)  # the outage itself
    await asyncio.to_thread(server.start)

    async def all_answered() -> bool:
        return len(await stack.answers()) == REQUESTS + 1

    await wait_for(all_answered, deadline_s=90)
    answers = await stack.answers()
    assert {found[0][1].status for found in answers.values()} == {"completed"}
    assert all(len({ce_id for ce_id, _ in found}) == 1 for found in answers.values())
    assert await read_all(stack.settings.kafka, stack.settings.topic_prefix + catalogue.DEAD_LETTERS) == []
    assert await stack.rows("SELECT 1 FROM simulation_results GROUP BY part_id, rank HAVING count(*) > 1") == []


async def test_postgresql_away_for_fifteen_seconds_loses_nothing(
    stack: Stack, servers: tuple[EmbeddedKafka, EmbeddedPostgres, Path]
) -> None:
    await _burst_with_outage(stack, servers[1])


async def test_kafka_away_for_fifteen_seconds_loses_nothing(stack: Stack, servers: tuple[EmbeddedKafka, EmbeddedPostgres, Path]) -> None:
    await _burst_with_outage(stack, servers[0])
