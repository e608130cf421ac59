"""A topic set and workers on a real Kafka, for the tests of the stream."""

import json
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from budsim.services.connection import KafkaConnection
from budsim.services.ports import OutgoingMessage
from budsim.stream.codec import Record
from budsim.stream.producer import KafkaPublisher
from tests.support.waiting import wait_until, wait_until_blocking

ROOT = Path(__file__).resolve().parents[2]
TOPICS = ("greetings", "answers", "news", "dead-letters", "worker-memory-changelog")


class StreamBench:
    """Use as an async context manager: topics made on entry, workers ended on exit."""

    def __init__(self, bootstrap: str, prefix: str, folder: Path, *, partitions: int = 2, store: str = "none") -> None:
        self.bootstrap, self.prefix, self.folder, self._store = bootstrap, prefix, folder, store
        self.publisher = KafkaPublisher(KafkaConnection(bootstrap=bootstrap))
        self._partitions = partitions
        self._workers: list[subprocess.Popen[bytes]] = []

    async def __aenter__(self) -> "StreamBench":
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        configs = {"max.message.bytes": str(2 * 1024 * 1024)}
        await admin.create_topics([NewTopic(self.prefix + name, self._partitions, 1, topic_configs=configs) for name in TOPICS])
        await admin.close()
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self._workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()
        await self.publisher.stop()

    def start_worker(self, instance_id: str | None = None) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.support.stream_worker", self.bootstrap, self.prefix, str(self.folder), self._store]
        with (self.folder / f"worker-{len(self._workers)}.log").open("wb") as log:
            worker = subprocess.Popen([*command, *([instance_id] if instance_id else [])], cwd=ROOT, stderr=log)
        self._workers.append(worker)
        return worker

    def log(self, number: int = -1) -> str:
        return (self.folder / f"worker-{number % len(self._workers)}.log").read_text(encoding="utf-8", errors="replace")

    def assigned(self, number: int = -1) -> bool:
        return "Worker ready" in self.log(number)

    def health(self) -> dict[str, bool]:
        """Return what the last worker says of itself, in short: alive and ready."""
        path = self.folder / "health"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        checks = json.loads(text) if text.endswith("}}") else {}
        return {name: all(checks[name].values()) for name in checks}

    def send(self, *, key: bytes | None, value: bytes | None) -> OutgoingMessage:
        return OutgoingMessage(topic=self.prefix + "greetings", key=key, value=value)

    def greetings(self, ids: Collection[int], mood: str = "good") -> list[OutgoingMessage]:
        return [self.send(key=str(number).encode(), value=json.dumps({"id": number, "mood": mood}).encode()) for number in ids]

    async def read(self, topic: str) -> list[Record]:
        """Return everything the topic holds now."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
        await consumer.start()
        try:
            places = [TopicPartition(self.prefix + topic, number) for number in range(self._partitions)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            found: list[Record] = []
            while any([await consumer.position(place) < ends[place] for place in places]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [
                        Record(topic=r.topic, partition=r.partition, offset=r.offset, key=r.key, value=r.value, headers=tuple(r.headers))
                        for r in records
                    ]
            return found
        finally:
            await consumer.stop()

    async def answers(self) -> list[str]:
        return [(item.value or b"").decode() for item in await self.read("answers")]

    async def wait_for_answers(self, ids: Collection[int], deadline_s: float = 60.0) -> list[str]:
        wanted = {str(number) for number in ids}

        async def all_there() -> Sequence[str]:
            found = await self.answers()
            return found if wanted <= set(found) else ()

        return list(await wait_until(all_there, deadline_s, what=f"{len(wanted)} answers"))  # type: ignore[call-overload]

    async def committed(self) -> dict[int, int]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.prefix + "worker")
        finally:
            await admin.close()
        return {place.partition: entry.offset for place, entry in offsets.items()}


def ended(worker: "subprocess.Popen[bytes]", deadline_s: float) -> int:
    """Return the exit code of a worker that must end in time."""
    wait_until_blocking(lambda: worker.poll() is not None, deadline_s, what="the worker ends")
    return int(worker.returncode)
