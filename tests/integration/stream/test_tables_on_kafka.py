"""The changelog-backed table on a real Kafka and a real RocksDB."""

import asyncio
import json
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.services.ports import OutgoingMessage
from tests.support.stream_bench import StreamBench, ended
from tests.support.waiting import wait_until

KEYS = range(20)


@pytest.fixture
async def bench(kafka: EmbeddedKafka, topic_prefix: str, tmp_path: Path) -> AsyncIterator[StreamBench]:
    async with StreamBench(kafka.bootstrap, topic_prefix, tmp_path, store="rocksdb://") as made:
        yield made


def told(bench: StreamBench, mood: str, *, plus: int = 0) -> list[OutgoingMessage]:
    """Return one message a key; its id is the key's number plus something."""
    return [bench.send(key=str(key).encode(), value=json.dumps({"id": key + plus, "mood": mood}).encode()) for key in KEYS]


async def recalled(bench: StreamBench) -> dict[bytes, bytes]:
    """Return what the table holds, by key: the last answer of each."""
    await bench.publisher.publish(told(bench, "recall"))
    sent = len(await bench.read("greetings"))

    async def all_there() -> bool:
        return len(await bench.answers()) == sent

    await wait_until(all_there, 60.0, what="every key is answered")
    return {item.key or b"": item.value or b"" for item in await bench.read("answers")}


async def test_a_table_is_rebuilt_from_its_changelog_after_the_local_store_was_deleted(bench: StreamBench) -> None:
    worker = bench.start_worker("only")
    await bench.publisher.publish(told(bench, "remember", plus=100))
    await bench.publisher.publish(told(bench, "remember", plus=500))
    latest = {str(key).encode(): str(key + 500).encode() for key in KEYS}
    assert await recalled(bench) == latest
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(ended, worker, 10.0) == 0
    assert list((bench.folder / "tables").rglob("*.sst*")) or list((bench.folder / "tables").rglob("*.log"))
    shutil.rmtree(bench.folder / "tables")
    bench.start_worker("only")
    assert await recalled(bench) == latest
