"""`budsim clusters rebuild` sets PostgreSQL to what clusters.v1 says, also while workers write."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from budsim.adapters.clock import SystemClock
from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.adapters.wire.clusters import cluster_from_body
from budsim.adapters.wire.messages import KafkaMessages
from budsim.app import create_stores, topic_specs
from budsim.cli.admin import topic_admin
from budsim.cli.ask import send
from budsim.cli.clusters import CompactedClusters
from budsim.config import Settings, load_settings
from budsim.core.errors import Unavailable
from budsim.services.clusters import ClusterSnapshot, rebuild_clusters
from budsim.services.ports import OutgoingMessage
from budsim.storage.clusters import PostgresClusters
from tests.support.databases import Database
from topics import catalogue
from topics.clusters import ClusterUpdated


@pytest.fixture
async def settings(kafka: EmbeddedKafka, migrated_database: Database, topic_prefix: str, tmp_path: Path) -> Settings:
    found = load_settings(
        kafka_bootstrap=kafka.bootstrap, database_url=migrated_database.dsn, topic_prefix=topic_prefix, data_folder=tmp_path
    )
    await topic_admin(found).apply(topic_specs(found))
    return found


@pytest.fixture
def store(settings: Settings) -> PostgresClusters:
    return create_stores(settings).clusters


class Reporter:
    """Reports clusters on the topic as others do."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._messages = KafkaMessages(prefix=settings.topic_prefix, clock=SystemClock())

    async def report(self, cluster_id: str, version: str) -> None:
        await send(self._settings, [self._messages.cluster(ClusterUpdated(id=cluster_id, version=version))])

    async def remove(self, cluster_id: str) -> None:
        await send(self._settings, [self._messages.cluster_removed(cluster_id)])

    async def raw(self, key: bytes, value: bytes) -> None:
        await send(self._settings, [OutgoingMessage(topic=self._settings.topic_prefix + catalogue.CLUSTERS, key=key, value=value)])


async def stored(store: PostgresClusters, cluster_id: str, version: str, *, partition: int, offset: int) -> None:
    cluster = cluster_from_body(ClusterUpdated(id=cluster_id, version=version))
    await store.put(cluster, updated_s=1.0, partition=partition, offset=offset)


async def known(store: PostgresClusters) -> dict[str, str | None]:
    return {item.cluster.id: item.cluster.version for item in await store.all()}


async def budsim(settings: Settings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {
        "BUDSIM_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "BUDSIM_DATABASE_URL": settings.database_url,
        "BUDSIM_TOPIC_PREFIX": settings.topic_prefix,
    }
    command = [sys.executable, "-m", "budsim.cli", "clusters", *arguments]
    return await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=False)


async def test_after_a_rebuild_postgresql_holds_what_the_topic_says_and_nothing_else(settings: Settings, store: PostgresClusters) -> None:
    reporter = Reporter(settings)
    for cluster_id, version in (("changed", "1"), ("changed", "2"), ("lost", "1"), ("removed", "1"), ("spoiled", "1"), ("back", "1")):
        await reporter.report(cluster_id, version)
    await reporter.remove("removed")
    await reporter.remove("back")
    await reporter.report("back", "2")
    await reporter.raw(b"spoiled", b"{nonsense")
    await reporter.raw(b"another", b'{"id": "elsewhere"}')
    await stored(store, "changed", "1", partition=0, offset=0)
    await stored(store, "ghost", "1", partition=0, offset=0)
    await stored(store, "removed", "1", partition=0, offset=0)

    done = await budsim(settings, "rebuild")
    assert done.returncode == 0, done.stderr
    assert "4 clusters set, 2 removed: ghost, removed" in done.stdout
    assert "not JSON" in done.stdout
    assert "came under the key 'another'" in done.stdout
    assert await known(store) == {"changed": "2", "lost": "1", "spoiled": "1", "back": "2"}
    ends = (await CompactedClusters(settings).snapshot()).ends
    assert await store.offsets() == {partition: end - 1 for partition, end in ends.items() if end}
    assert all(item.updated_s > 1_000_000_000 for item in await store.all())

    again = await budsim(settings, "rebuild")
    assert "4 clusters set, 0 removed" in again.stdout
    listed = await budsim(settings, "list", "--json")
    assert [row["id"] for row in json.loads(listed.stdout)] == ["back", "changed", "lost", "spoiled"]


class Interrupted:
    """A topic of which a worker stores a later report while it is read."""

    def __init__(self, topic: CompactedClusters, meanwhile: Callable[[ClusterSnapshot], object], times: int) -> None:
        self._topic = topic
        self._meanwhile = meanwhile
        self._left = times

    async def snapshot(self) -> ClusterSnapshot:
        read = await self._topic.snapshot()
        if self._left:
            self._left -= 1
            await self._meanwhile(read)  # type: ignore[misc]
        return read


async def test_a_report_that_a_worker_stores_during_the_reading_is_not_undone(settings: Settings, store: PostgresClusters) -> None:
    reporter, topic = Reporter(settings), CompactedClusters(settings)
    await reporter.report("c1", "1")

    async def worker(before: ClusterSnapshot) -> None:
        await reporter.report("c1", "2")
        (partition,) = [number for number, end in (await topic.snapshot()).ends.items() if end != before.ends[number]]
        await stored(store, "c1", "2", partition=partition, offset=before.ends[partition])

    await rebuild_clusters(store, Interrupted(topic, worker, 1))
    assert await known(store) == {"c1": "2"}


async def test_reports_that_never_stop_are_an_error_and_change_nothing(settings: Settings, store: PostgresClusters) -> None:
    reporter, topic = Reporter(settings), CompactedClusters(settings)
    await stored(store, "ghost", "1", partition=0, offset=0)

    async def worker(before: ClusterSnapshot) -> None:
        await reporter.report("c1", "1")
        (partition,) = [number for number, end in (await topic.snapshot()).ends.items() if end != before.ends[number]]
        await stored(store, "c1", "1", partition=partition, offset=before.ends[partition])

    with pytest.raises(Unavailable, match="during each of 5 tries"):
        await rebuild_clusters(store, Interrupted(topic, worker, 100))
    assert (await known(store)).keys() == {"ghost", "c1"}


async def test_offsets_past_the_end_of_the_topic_stay_and_do_not_hinder(settings: Settings, store: PostgresClusters) -> None:
    await Reporter(settings).report("c1", "1")
    for partition in range(3):
        await stored(store, "ghost", "1", partition=partition, offset=1000)
    await rebuild_clusters(store, CompactedClusters(settings))
    assert await known(store) == {"c1": "1"}
    assert await store.offsets() == {0: 1000, 1: 1000, 2: 1000}


async def test_a_rebuild_and_a_worker_that_store_at_once_end_with_the_newest_report(settings: Settings, store: PostgresClusters) -> None:
    topic = CompactedClusters(settings)
    await Reporter(settings).report("c1", "0")
    snapshot = await topic.snapshot()
    (partition,) = [number for number, end in snapshot.ends.items() if end]

    async def worker() -> None:
        for number in range(1, 40):
            await stored(store, "c1", str(number), partition=partition, offset=number)

    async def rebuilds() -> None:
        for _ in range(20):
            await store.replace(snapshot, beyond={})

    await asyncio.gather(worker(), rebuilds())
    assert await store.replace(snapshot, beyond={}) is None
    assert await known(store) == {"c1": "39"}
    assert (await store.offsets())[partition] == 39


async def test_a_topic_that_is_not_there_removes_nothing(settings: Settings, store: PostgresClusters) -> None:
    await stored(store, "c1", "1", partition=0, offset=0)
    elsewhere = settings.model_copy(update={"topic_prefix": f"{settings.topic_prefix}not."})
    done = await budsim(elsewhere, "rebuild")
    assert done.returncode == 3
    assert "budsim topics apply" in done.stderr
    assert await known(store) == {"c1": "1"}
