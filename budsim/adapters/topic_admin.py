"""Topics: created when missing, checked when there; and how far one reaches."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from budsim.core.errors import Unavailable
from budsim.services.connection import KafkaConnection
from topics.catalogue import Cleanup, TopicSpec


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

    async def apply(self, specs: Sequence[TopicSpec]) -> list[TopicState]:
        """Create what is missing and say what differs."""
        states = await self.list(specs)
        missing = {state.name for state in states if state.state == "missing"}
        admin = await self._started()
        try:
            for spec in specs:
                if spec.name in missing:
                    await admin.create_topics([self._new(spec)])
        except TopicAlreadyExistsError:
            pass  # another copy was faster
        except KafkaError as error:
            raise Unavailable(f"topics could not be created ({error})") from error
        finally:
            await admin.close()
        return [
            TopicState(name=item.name, partitions=item.partitions, state="created") if item.name in missing else item for item in states
        ]

    async def list(self, specs: Sequence[TopicSpec]) -> list[TopicState]:
        """Compare what is there with what should be."""
        admin = await self._started()
        try:
            known = set(await admin.list_topics())
            described = await admin.describe_topics([spec.name for spec in specs if spec.name in known]) if known else []
        except KafkaError as error:
            raise Unavailable(f"topics could not be listed ({error})") from error
        finally:
            await admin.close()
        counts = {item["topic"]: len(item["partitions"]) for item in described}
        return [_state(spec, counts.get(spec.name)) for spec in specs]

    def _new(self, spec: TopicSpec) -> NewTopic:
        configs = {
            "cleanup.policy": spec.cleanup.value,
            "max.message.bytes": str(spec.max_message_bytes),
            "min.insync.replicas": str(self._min_in_sync),
            "retention.ms": str(spec.retention_ms if spec.retention_ms is not None else -1),
        }
        if spec.cleanup is Cleanup.COMPACT:
            configs.pop("retention.ms")
        return NewTopic(spec.name, spec.partitions, self._replication, topic_configs=configs)

    async def _started(self) -> AIOKafkaAdminClient:
        admin = AIOKafkaAdminClient(**self._connection.options())
        try:
            await admin.start()
        except (KafkaError, OSError) as error:
            await admin.close()
            raise Unavailable(f"Kafka at {self._connection.bootstrap} cannot be reached", remedy="check BUDSIM_KAFKA_BOOTSTRAP") from error
        return admin


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


def _state(spec: TopicSpec, partitions: int | None) -> TopicState:
    if partitions is None:
        return TopicState(name=spec.name, partitions=spec.partitions, state="missing")
    state = "ok" if partitions == spec.partitions else f"has {partitions} partitions, {spec.partitions} are wanted"
    return TopicState(name=spec.name, partitions=partitions, state=state)
