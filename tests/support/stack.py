"""A whole BudSim for a test: workers as real processes on the run's servers."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from budsim.adapters.clock import SystemClock
from budsim.adapters.wire.messages import KafkaMessages
from budsim.app import topic_specs
from budsim.cli.admin import topic_admin
from budsim.cli.ask import send
from budsim.cli.kafka import read_all, reader
from budsim.cli.servers import start_process
from budsim.config import Settings, load_settings
from budsim.services.ports import OutgoingMessage
from tests.support import poison
from tests.support.waiting import wait_until
from topics import catalogue
from topics.clusters import ClusterUpdated
from topics.recommendations import RecommendationMade
from topics.simulation_requests import SimulationRequested

INPUT_TOPICS = (
    catalogue.SIMULATION_REQUESTS,
    catalogue.EVALUATIONS,
    catalogue.SEARCHES,
    catalogue.WORKFLOW_EVENTS,
    catalogue.FEEDBACK,
    catalogue.BLACKLIST_UPDATES,
    catalogue.CLUSTERS,
)
EXAMPLES = Path(__file__).resolve().parents[2] / "budsim" / "cli" / "examples"


class Stack:
    """Sends and reads as a caller would."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.messages = KafkaMessages(prefix=settings.topic_prefix, clock=SystemClock())

    def start(self, name: str) -> None:
        self.processes[name] = start_process(name, self.settings, self.folder)

    def start_poisoned(self, name: str) -> None:
        """Start an eval worker of two search processes whose search is that of tests/support/poison.py."""
        settings = self.settings
        environment = os.environ | {
            "BUDSIM_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "BUDSIM_DATABASE_URL": settings.database_url,
            "BUDSIM_DATA_FOLDER": str(self.folder / name),
            "BUDSIM_TOPIC_PREFIX": settings.topic_prefix,
            "BUDSIM_POOL_SIZE": "2",
            poison.FOLDER: str(self.folder),
        }
        command = [sys.executable, "-m", "tests.support.poisoned_worker"]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=EXAMPLES.parents[2], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment
            )

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait(15)

    def terminate(self, name: str) -> float:
        """Stop a worker by SIGTERM and return how long it took; it must end well. [s]"""
        started_s = time.monotonic()
        assert self.kill(name, signal.SIGTERM) == 0
        return time.monotonic() - started_s

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    async def ready(self, *names: str, deadline_s: float = 60.0) -> None:
        """Wait until these workers have their partitions."""
        for name in names:
            await wait_until(lambda: "Worker ready" in self.log(name), deadline_s, what=f"{name} is ready")  # noqa: B023 asked at once

    async def send(self, *messages: OutgoingMessage) -> None:
        await send(self.settings, list(messages))

    async def report_examples(self) -> None:
        for name in ("cluster-a100.json", "cluster-l40s.json"):
            await self.send(self.messages.cluster(ClusterUpdated.model_validate_json((EXAMPLES / name).read_bytes())))

    async def answers(self) -> dict[str, list[tuple[str, RecommendationMade]]]:
        """Every answer so far, with its ce_id, by workflow."""
        found: dict[str, list[tuple[str, RecommendationMade]]] = {}
        for record in await read_all(self.settings.kafka, self.settings.topic_prefix + catalogue.RECOMMENDATIONS):
            answer = RecommendationMade.model_validate_json(record.value or b"")
            ce_id = dict(record.headers)["ce_id"].decode()
            found.setdefault(answer.workflow_id, []).append((ce_id, answer))
        return found

    async def answer(self, workflow_id: UUID, *, deadline_s: float = 30.0) -> RecommendationMade:
        async def there() -> RecommendationMade | None:
            found = (await self.answers()).get(str(workflow_id))
            return found[0][1] if found else None

        return await wait_for(there, deadline_s=deadline_s)

    async def ask(self, *, count: int = 1, cluster_ids: Sequence[str | None] = (None,), **changes: object) -> list[UUID]:
        """Send so many requests at once, over these clusters in turn, and return their ids."""
        ids = [uuid4() for _ in range(count)]
        asked = zip(ids, cycle(cluster_ids))
        await self.send(*(self.request(workflow_id, cluster_id=cluster, **changes) for workflow_id, cluster in asked))
        return ids

    def request(self, workflow_id: UUID, **changes: object) -> OutgoingMessage:
        return self.messages.request(example_request(**changes), workflow_id)

    async def ended(self, ids: Sequence[UUID]) -> int:
        """Return how many of these workflows are in a terminal state."""
        (row,) = await self.rows("SELECT count(*) AS n FROM workflows WHERE id = ANY($1) AND finished_at IS NOT NULL", list(ids))
        return int(row["n"])

    async def wait_ended(self, ids: Sequence[UUID], *, deadline_s: float, at_least: int | None = None) -> None:
        wanted = len(ids) if at_least is None else at_least

        async def enough() -> bool:
            return await self.ended(ids) >= wanted

        await wait_until(enough, deadline_s, what=f"{wanted} of {len(ids)} workflows end")

    async def drained(self, *, deadline_s: float = 30.0) -> None:
        """Wait until the outbox is empty and both groups have committed all they were sent."""

        async def nothing_left() -> bool:
            unsent = await self.rows("SELECT 1 FROM outbox WHERE sent_at IS NULL LIMIT 1")
            return not unsent and not await self.lag()

        await wait_until(nothing_left, deadline_s, what="outbox and topics are drained")

    async def lag(self) -> dict[str, int]:
        """Return how many messages of each input topic are not committed, where there are any."""
        settings, prefix = self.settings, self.settings.topic_prefix
        async with reader(settings.kafka, *(prefix + name for name in INPUT_TOPICS), from_start=False) as consumer:
            ends = await consumer.end_offsets(list(consumer.assignment()))
        admin = AIOKafkaAdminClient(**settings.kafka.options())
        await admin.start()
        try:
            groups = [await admin.list_consumer_group_offsets(group) for group in (settings.flow_app_id, settings.eval_app_id)]
        finally:
            await admin.close()
        committed = {place: entry.offset for group in groups for place, entry in group.items()}
        left = Counter[str]()
        for place, end in ends.items():
            left[place.topic] += end - max(0, committed.get(place, 0))
        return {topic: count for topic, count in left.items() if count}

    async def report_clusters(self, *clusters: ClusterUpdated) -> None:
        """Report clusters and wait until they are known."""
        await self.send(*(self.messages.cluster(cluster) for cluster in clusters))

        async def known() -> bool:
            rows = await self.rows("SELECT 1 FROM clusters WHERE id = ANY($1)", [cluster.id for cluster in clusters])
            return len(rows) == len(clusters)

        await wait_until(known, 60.0, what=f"{len(clusters)} clusters are known")

    async def rows(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.settings.database_url.replace("+asyncpg", ""))
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    def raw(self, value: bytes | None, key: bytes | None = None, topic: str = catalogue.SIMULATION_REQUESTS) -> OutgoingMessage:
        return OutgoingMessage(topic=self.settings.topic_prefix + topic, key=key, value=value)


async def wait_for(question: Any, *, deadline_s: float) -> Any:
    """Return the first true answer."""
    return await wait_until(question, deadline_s)


def example_request(**changes: Any) -> SimulationRequested:
    """The demonstration's request, answered by physics alone, changed."""
    body = SimulationRequested.model_validate_json((EXAMPLES / "request.json").read_bytes())
    return SimulationRequested.model_validate(body.model_dump() | {"simulation_method": "heuristic"} | changes)


def two_groups_cluster(cluster_id: str) -> ClusterUpdated:
    """A cluster of one key and two hardware groups: with two engines on each, a request has four parts."""
    a100, l40s = (ClusterUpdated.model_validate_json((EXAMPLES / name).read_bytes()) for name in ("cluster-a100.json", "cluster-l40s.json"))
    nodes = [node.model_copy(update={"id": f"n{number}"}) for number, node in enumerate((a100.nodes[0], l40s.nodes[0]))]
    return a100.model_copy(update={"id": cluster_id, "nodes": nodes})


@contextmanager
def running_stack(bootstrap: str, dsn: str, prefix: str, folder: Path, *, workers: tuple[str, ...] = ("flow", "eval-0")) -> Iterator[Stack]:
    """Topics made, workers started; ended at the end, whatever happened."""
    settings = load_settings(
        kafka_bootstrap=bootstrap, database_url=dsn, topic_prefix=prefix, data_folder=folder, hub_enabled=False, cluster_wait_s=5.0
    )
    asyncio.run(topic_admin(settings).apply(topic_specs(settings)))
    stack = Stack(settings, folder)
    for name in workers:
        stack.start(name)
    try:
        yield stack
    finally:
        for name in list(stack.processes):
            stack.processes[name].send_signal(signal.SIGTERM)
        for name in list(stack.processes):
            try:
                stack.processes[name].wait(15)
            except subprocess.TimeoutExpired:
                stack.processes[name].kill()
                stack.processes[name].wait()
