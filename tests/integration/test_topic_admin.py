"""Topics are created once, checked afterwards, and never changed behind anyone's back."""

import asyncio
import os
import subprocess
import sys

import pytest

from budsim.adapters.data_folder import free_port
from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.adapters.topic_admin import KafkaTopicEnds, TopicAdmin
from budsim.core.errors import Unavailable
from budsim.services.connection import KafkaConnection
from topics.catalogue import Cleanup, PartitionCounts, TopicSpec, topic_specs


def make_admin(kafka: EmbeddedKafka, *, replication: int = 1) -> TopicAdmin:
    return TopicAdmin(KafkaConnection(bootstrap=kafka.bootstrap), replication=replication, min_in_sync=1)


def make_spec(name: str, *, partitions: int = 2, cleanup: Cleanup = Cleanup.DELETE, retention_ms: int | None = 3_600_000) -> TopicSpec:
    return TopicSpec(name=name, partitions=partitions, cleanup=cleanup, retention_ms=retention_ms, max_message_bytes=1_000_000)


async def test_the_whole_catalogue_is_created_and_found_right_the_second_time(kafka: EmbeddedKafka, topic_prefix: str) -> None:
    specs = topic_specs(
        topic_prefix, PartitionCounts(by_key=4, searches=3, workflows=2, others=1), (f"{topic_prefix}eval-blacklist-changelog",)
    )
    admin = make_admin(kafka)
    assert {state.state for state in await admin.list(specs)} == {"missing"}
    assert {state.state for state in await admin.apply(specs)} == {"created"}
    assert [(state.name, state.partitions, state.state) for state in await admin.apply(specs)] == [
        (spec.name, spec.partitions, "ok") for spec in specs
    ]


async def test_what_differs_is_told_and_left_alone(kafka: EmbeddedKafka, topic_prefix: str) -> None:
    name = f"{topic_prefix}orders"
    admin = make_admin(kafka)
    await admin.apply([make_spec(name)])
    wanted = make_spec(name, partitions=5, cleanup=Cleanup.COMPACT, retention_ms=7_200_000)
    told = "partitions is 2, not 5; cleanup.policy is delete, not compact; retention.ms is 3600000, not 7200000"
    assert [state.state for state in await admin.apply([wanted])] == [told]
    assert [state.state for state in await admin.list([make_spec(name)])] == ["ok"]


async def test_only_what_is_missing_is_created(kafka: EmbeddedKafka, topic_prefix: str) -> None:
    admin = make_admin(kafka)
    old, new = make_spec(f"{topic_prefix}old"), make_spec(f"{topic_prefix}new")
    await admin.apply([old])
    assert [state.state for state in await admin.apply([old, new])] == ["ok", "created"]


async def test_a_refused_topic_is_an_error_that_names_it(kafka: EmbeddedKafka, topic_prefix: str) -> None:
    name = f"{topic_prefix}wide"
    with pytest.raises(Unavailable, match=rf"refuses the topic {name}: .*BUDSIM_REPLICATION_FACTOR"):
        await make_admin(kafka, replication=3).apply([make_spec(name)])
    assert [state.state for state in await make_admin(kafka).list([make_spec(name)])] == ["missing"]


async def test_a_broker_that_is_away_is_one_clear_error() -> None:
    nowhere = KafkaConnection(bootstrap=f"127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable, match="BUDSIM_KAFKA_BOOTSTRAP"):
        await TopicAdmin(nowhere, replication=1, min_in_sync=1).list([make_spec("x")])


async def test_the_end_of_an_empty_topic_is_zero_in_every_partition(kafka: EmbeddedKafka, topic_prefix: str) -> None:
    name = f"{topic_prefix}empty"
    await make_admin(kafka).apply([make_spec(name, partitions=3)])
    ends = KafkaTopicEnds(KafkaConnection(bootstrap=kafka.bootstrap), name)
    try:
        assert await ends.end_offsets() == {0: 0, 1: 0, 2: 0}
    finally:
        await ends.stop()


async def test_the_command_ends_with_1_and_names_what_differs_and_with_0_when_nothing_does(kafka: EmbeddedKafka, topic_prefix: str) -> None:
    async def budsim(command: str, partitions: int) -> tuple[int, str]:
        environment = os.environ | {
            "BUDSIM_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "BUDSIM_TOPIC_PREFIX": topic_prefix,
            "BUDSIM_PARTITIONS_SEARCHES": str(partitions),
        }
        line = [sys.executable, "-m", "budsim.cli", "topics", command]
        done = await asyncio.to_thread(subprocess.run, line, env=environment, capture_output=True, text=True, timeout=90, check=False)
        return done.returncode, " ".join(done.stdout.split())

    assert (await budsim("list", 3))[0] == 1
    assert (await budsim("apply", 3))[0] == 0
    assert (await budsim("list", 3))[0] == 0
    code, told = await budsim("apply", 5)
    assert code == 1
    assert "partitions is 3, not 5" in told
