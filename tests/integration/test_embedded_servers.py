"""The embedded servers: data and port outlast a stop and a crash, nothing outlasts the parent."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import rmtree

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.adapters.embedded_postgres import EmbeddedPostgres
from budsim.core.errors import Unavailable
from tests.support.waiting import wait_until_blocking

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="budsim-server-"))
    yield made
    rmtree(made, ignore_errors=True)


async def _ask(server: EmbeddedPostgres, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(server.dsn.replace("+asyncpg", ""))
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def _write(bootstrap: str, *, create: bool) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    if create:
        await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        return (await producer.send_and_wait("kept", b"x", partition=0)).offset
    finally:
        await producer.stop()


async def _end_offset(bootstrap: str) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        place = TopicPartition("kept", 0)
        return (await consumer.end_offsets([place]))[place]
    finally:
        await consumer.stop()


def _start_and_crash(kind: str, folder: Path) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.owner", kind, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == -9, done.stderr
    return int(done.stdout)


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_postgresql_keeps_its_data_and_port_over_a_stop_and_a_crash(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.start()
    try:
        first = server.dsn
        asyncio.run(_ask(server, "CREATE TABLE kept AS SELECT 1 AS number"))
        server.stop()
        server.start()
        asyncio.run(_ask(server, "INSERT INTO kept VALUES (2)"))
        server.kill()
        server.start()
        assert server.dsn == first
        assert [row[0] for row in asyncio.run(_ask(server, "SELECT number FROM kept ORDER BY number"))] == [1, 2]
    finally:
        server.stop()


def test_kafka_keeps_its_data_and_port_over_a_stop_and_a_crash(folder: Path) -> None:
    server = EmbeddedKafka(folder)
    server.start()
    try:
        first = server.bootstrap
        assert asyncio.run(_write(first, create=True)) == 0
        server.stop()
        server.start()
        assert asyncio.run(_write(first, create=False)) == 1
        server.kill()
        server.start()
        assert server.bootstrap == first
        assert asyncio.run(_end_offset(first)) == 2
    finally:
        server.stop()


def test_kafka_ends_with_its_owner_and_starts_again(folder: Path) -> None:
    orphan = _start_and_crash("kafka", folder)
    wait_until_blocking(lambda: _is_gone(orphan), what=f"Kafka {orphan} ends with its parent")
    server = EmbeddedKafka(folder)
    server.start()
    try:
        assert asyncio.run(_write(server.bootstrap, create=True)) == 0
    finally:
        server.stop()


def test_postgresql_ends_with_its_owner_and_starts_again(folder: Path) -> None:
    orphan = _start_and_crash("postgres", folder)
    wait_until_blocking(lambda: _is_gone(orphan), what=f"PostgreSQL {orphan} ends with its parent")
    server = EmbeddedPostgres(folder)
    server.start()
    try:
        assert asyncio.run(_ask(server, "SELECT current_database()"))[0][0] == "budsim"
    finally:
        server.stop()


def test_a_server_outlives_the_thread_that_started_it(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(server.start).result()
    try:
        assert asyncio.run(_ask(server, "SELECT 1"))[0][0] == 1
    finally:
        server.stop()


def test_two_copies_run_side_by_side_on_two_folders_but_not_on_one(folder: Path) -> None:
    first, second, intruder = EmbeddedPostgres(folder / "a"), EmbeddedPostgres(folder / "b"), EmbeddedPostgres(folder / "a")
    first.start()
    try:
        second.start()
        assert first.dsn != second.dsn
        with pytest.raises(Unavailable, match=f"Another BudSim already runs on the data folder {folder}/a"):
            intruder.start()
        assert asyncio.run(_ask(first, "SELECT 1"))[0][0] == 1  # the refused one took nothing with it
    finally:
        first.stop()
        second.stop()


def test_a_server_that_cannot_start_says_why_and_where_its_log_is(folder: Path) -> None:
    server = EmbeddedPostgres(folder, options={"shared_buffers": "nonsense"})
    with pytest.raises(Unavailable, match=r'"shared_buffers": "nonsense".*postgres\.log'):
        server.start()
    assert server.pid is None


def test_a_stopped_server_leaves_no_process(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.start()
    pid = server.pid
    assert pid is not None
    backends = [child.pid for child in psutil.Process(pid).children(recursive=True)]
    assert backends
    server.stop()
    wait_until_blocking(lambda: all(map(_is_gone, [pid, *backends])), what="all of PostgreSQL is gone")
