"""Topics: created when missing, checked when there; and how far one reaches."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from budsim.core.errors import Unavailable
from budsim.services.connection import KafkaConnection
from topics.catalogue import TopicSpec

CREATED: Final = "created"
OK: Final = "ok"
MISSING: Final = "missing"
_VISIBLE_S: Final = 15.0
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """What was found or done: created, ok, missing, or what differs."""

    name: str
    partitions: int
    state: str


class TopicAdmin:
    """Creates and checks topics."""

    def __init__(self, connection: KafkaConnection, *, replication: int, min_in_sync: int) -> None:
        self._connection = connection
        self._replication = replication
        self._min_in_sync = min_in_sync

    async def apply(self, specs: Sequence[TopicSpec]) -> Sequence[TopicState]:
        """Create what is missing and say what differs; nothing that exists is changed.

        Raises:
            Unavailable: Kafka is away, or refuses a topic: the message names it and the reason.
        """
        async with self._client() as admin:
            missing = {state.name for state in await self._states(admin, specs) if state.state == MISSING}
            await self._create(admin, [spec for spec in specs if spec.name in missing])
            states = await self._states(admin, specs)
        return [replace(state, state=CREATED) if state.name in missing and state.state == OK else state for state in states]

    async def list(self, specs: Sequence[TopicSpec]) -> Sequence[TopicState]:
        """Compare what is there with what should be."""
        async with self._client() as admin:
            return await self._states(admin, specs)

    async def _create(self, admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
        if not specs:
            return
        topics = [NewTopic(spec.name, spec.partitions, self._replication, topic_configs=self._configs(spec)) for spec in specs]
        answer = await admin.create_topics(topics)
        for name, code, message in answer.topic_errors:
            if code not in (0, TopicAlreadyExistsError.errno):  # another copy may have been faster
                raise Unavailable(
                    f"Kafka refuses the topic {name}: {message or for_code(code).__name__}",
                    remedy="Check BUDSIM_REPLICATION_FACTOR and the user's rights.",
                )
        await _visible(admin, {spec.name for spec in specs})

    async def _states(self, admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> Sequence[TopicState]:
        known = set(await admin.list_topics())
        names = [spec.name for spec in specs if spec.name in known]
        if not names:
            return [TopicState(name=spec.name, partitions=spec.partitions, state=MISSING) for spec in specs]
        partitions = {item["topic"]: item["partitions"] for item in await admin.describe_topics(names)}
        configs = await _configs_found(admin, names)
        return [self._state(spec, partitions.get(spec.name), configs.get(spec.name, {})) for spec in specs]

    def _state(self, spec: TopicSpec, partitions: "Sequence[dict[str, Any]] | None", found: Mapping[str, str]) -> TopicState:
        if partitions is None:
            return TopicState(name=spec.name, partitions=spec.partitions, state=MISSING)
        wanted = {"partitions": str(spec.partitions), "replicas": str(self._replication), **self._configs(spec)}
        there = {"partitions": str(len(partitions)), "replicas": str(len(partitions[0]["replicas"])), **found}
        differences = [f"{name} is {there.get(name)}, not {value}" for name, value in wanted.items() if there.get(name) != value]
        return TopicState(name=spec.name, partitions=len(partitions), state="; ".join(differences) or OK)

    def _configs(self, spec: TopicSpec) -> dict[str, str]:
        configs = {
            "cleanup.policy": spec.cleanup.value,
            "max.message.bytes": str(spec.max_message_bytes),
            "min.insync.replicas": str(self._min_in_sync),
        }
        return configs if spec.retention_ms is None else {**configs, "retention.ms": str(spec.retention_ms)}

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(**self._connection.options())
        try:
            await admin.start()
            yield admin
        except (KafkaError, OSError) as error:
            raise Unavailable(
                f"Kafka at {self._connection.bootstrap} cannot be reached or refuses ({error!r}).", remedy="Check BUDSIM_KAFKA_BOOTSTRAP."
            ) from error
        finally:
            await admin.close()


async def _configs_found(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {resource[3]: {entry[0]: entry[1] for entry in resource[4]} for answer in answers for resource in answer.resources}


async def _visible(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    """Wait until the brokers have heard of what the controller created."""
    for _ in range(round(_VISIBLE_S / _POLL_S)):
        if names <= set(await admin.list_topics()):
            return
        await asyncio.sleep(_POLL_S)
    raise Unavailable(f"The topics {', '.join(sorted(names))} did not appear within {_VISIBLE_S:.0f} s.", remedy="Is every broker up?")


class KafkaTopicEnds:
    """End offsets of one topic, over a consumer without a group."""

    def __init__(self, connection: KafkaConnection, topic: str) -> None:
        self._connection = connection
        self._topic = topic
        self._consumer: AIOKafkaConsumer | None = None

    async def end_offsets(self) -> dict[int, int]:
        """Return the next offset to be written, per partition."""
        try:
            consumer = await self._started()
            partitions = await _partitions(consumer, self._topic)
            ends = await consumer.end_offsets([TopicPartition(self._topic, number) for number in partitions])
        except (KafkaError, OSError) as error:
            await self.stop()
            raise Unavailable(f"Kafka at {self._connection.bootstrap} is away ({error!r})") from error
        return {place.partition: offset for place, offset in ends.items()}

    async def stop(self) -> None:
        """Close the connection."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(self._topic, **self._connection.options(), enable_auto_commit=False)
            await consumer.start()
            self._consumer = consumer
        return self._consumer


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    return set(consumer.partitions_for_topic(topic) or ())
