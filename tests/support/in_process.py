"""The services of both workers in the test's own loop, on a real Kafka and a real PostgreSQL: one reader, no Faust, no pool."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID, uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.evaluate import BLACKLIST
from budsim.app import Stores, cluster_ends, create_stores, eval_routes, flow_routes, retry_policy
from budsim.cli.kafka import record_of
from budsim.config import Settings
from budsim.core.search.part import Blacklist
from budsim.stream.codec import Record
from budsim.stream.fuse import Fuse
from budsim.stream.loop import MessageLoop
from topics import catalogue
from topics.clusters import ClusterUpdated
from topics.feedback import FeedbackGiven
from topics.recommendations import RecommendationMade
from topics.searches import SearchRequested
from topics.simulation_requests import SimulationRequested

T = TypeVar("T")
OUTPUTS = (catalogue.RECOMMENDATIONS, catalogue.PROGRESS, catalogue.DEAD_LETTERS)
POLL_MS = 50
DEADLINE_S = 60.0


class HerePool:
    """Computes in the calling process."""

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        return function(*arguments)


class InProcess:
    """Reads every topic, runs its route, and keeps all it read; `hold` keeps messages of a topic back."""

    def __init__(self, settings: Settings, stores: Stores, consumer: AIOKafkaConsumer) -> None:
        self.settings, self.stores = settings, stores
        self.table: dict[bytes, bytes] = {}
        self.read: dict[str, list[Record]] = {}
        self.outcomes: list[tuple[str, str]] = []
        self._consumer = consumer
        self._ends = cluster_ends(settings)
        self._routes = flow_routes(settings, stores, self._ends) | eval_routes(settings, stores, table=self.table, pool=HerePool())
        self._loop = MessageLoop(
            publisher=stores.publisher,
            dead_letter_topic=settings.topic_prefix + catalogue.DEAD_LETTERS,
            flow_active=lambda: True,
            policy=retry_policy(settings),
            fuse=Fuse(window=settings.fuse_window, share=settings.fuse_share, cool_down_s=settings.fuse_cool_down_s),
        )

    @property
    def topics(self) -> Iterable[str]:
        """Every topic that is read, without prefix."""
        return (*self._routes, *OUTPUTS)

    def hold(self, topic: str) -> None:
        """Keep what comes on a topic from its agent."""
        self._consumer.pause(*self._places(topic))

    def release(self, topic: str) -> None:
        """Let it go on."""
        self._consumer.resume(*self._places(topic))

    async def ask(self, event: SimulationRequested) -> UUID:
        """Send a request."""
        workflow_id = event.workflow_id or uuid4()
        await self.stores.publisher.publish([self.stores.messages.request(event, workflow_id)])
        return workflow_id

    async def answer(self, event: SimulationRequested) -> RecommendationMade:
        """Send a request and return its answer."""
        return await self.answer_of(await self.ask(event))

    async def answer_of(self, workflow_id: UUID) -> RecommendationMade:
        """Return the answer of a request that was sent."""
        key = str(workflow_id).encode()
        await self.until(lambda: self.keyed(catalogue.RECOMMENDATIONS, key))
        return RecommendationMade.model_validate_json(self.keyed(catalogue.RECOMMENDATIONS, key)[0].value or b"")

    async def know(self, *clusters: ClusterUpdated) -> None:
        """Report clusters and take the reports in."""
        before = len(self.outcomes_of(catalogue.CLUSTERS))
        await self.stores.publisher.publish([self.stores.messages.cluster(cluster) for cluster in clusters])
        await self.until(lambda: len(self.outcomes_of(catalogue.CLUSTERS)) == before + len(clusters))

    async def give(self, event: FeedbackGiven) -> None:
        """Send feedback and return when `feedback applied` is on progress.v1."""
        before = len(self.applied())
        await self.stores.publisher.publish([self.stores.messages.feedback(event)])
        await self.until(lambda: len(self.applied()) > before)

    def applied(self) -> list[Record]:
        """Every «feedback applied» so far."""
        return [record for record in self.read.get(catalogue.PROGRESS, []) if b'"event":"feedback applied"' in (record.value or b"")]

    def keyed(self, topic: str, key: bytes) -> list[Record]:
        """What came on a topic under a key."""
        return [record for record in self.read.get(topic, []) if record.key == key]

    def outcomes_of(self, topic: str) -> list[str]:
        """How each message of a topic ended."""
        return [outcome for name, outcome in self.outcomes if name == topic]

    def in_table(self, key: str) -> Blacklist | None:
        """What the table holds."""
        stored = self.table.get(key.encode())
        return BLACKLIST.validate_json(stored) if stored else None

    def searched_without(self, answer: RecommendationMade) -> list[str]:
        """config_ids of the entries that evaluate gave to the searches of a workflow."""
        tasks = [SearchRequested.model_validate_json(record.value or b"").task for record in self.read.get(catalogue.SEARCHES, [])]
        return [entry.config_id for task in tasks if task.part.workflow_id == answer.workflow_id for entry in task.blacklist]

    async def until(self, condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
        """Work until the condition holds."""
        until_s = asyncio.get_running_loop().time() + deadline_s
        while not condition():
            assert asyncio.get_running_loop().time() < until_s, "too late"
            await self._step()

    async def stop(self) -> None:
        """Close every connection."""
        await self._ends.stop()
        await self.stores.close()

    async def _step(self) -> None:
        batch: dict[TopicPartition, list[Any]] = await self._consumer.getmany(timeout_ms=POLL_MS)
        for messages in batch.values():
            for message in messages:
                await self.conclude(record_of(message))

    async def conclude(self, record: Record) -> None:
        """Bring one message to its outcome."""
        topic = record.topic.removeprefix(self.settings.topic_prefix)
        self.read.setdefault(topic, []).append(record)
        if topic in self._routes:
            self.outcomes.append((topic, (await self._loop.conclude(record, self._routes[topic])).value))

    def _places(self, topic: str) -> list[TopicPartition]:
        name = self.settings.topic_prefix + topic
        return [place for place in self._consumer.assignment() if place.topic == name]


@asynccontextmanager
async def in_process(settings: Settings) -> AsyncIterator[InProcess]:
    """Yield the services, reading every topic from its start; the topics must be there."""
    stores = create_stores(settings)
    consumer = AIOKafkaConsumer(**settings.kafka.options(), enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=20)
    services = InProcess(settings, stores, consumer)
    try:
        await consumer.start()
        cluster = await consumer._client.fetch_all_metadata()
        names = [settings.topic_prefix + topic for topic in services.topics]
        consumer.assign([TopicPartition(name, number) for name in names for number in cluster.partitions_for_topic(name) or ()])
        yield services
    finally:
        await consumer.stop()
        await services.stop()
