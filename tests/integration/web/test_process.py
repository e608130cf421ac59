"""`budsim web` as a process, and what it does when something is away, slow, or in its place."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import ClientSession, ClientTimeout, web

from budsim.adapters.embedded_postgres import EmbeddedPostgres
from budsim.config import Settings
from budsim.storage.engine import create_engine, create_sessions
from budsim.storage.identities import PostgresIdentities
from budsim.storage.migrate import upgrade
from budsim.web import reading, server
from tests.support.databases import run_apart
from tests.support.waiting import wait_until, wait_until_blocking
from tests.support.web_caller import calling
from tests.support.web_fakes import BODY, SECRET, open_office

STOP_S = 10.0


def start(settings: Settings, log: Path, **more: str) -> "subprocess.Popen[bytes]":
    """Start `budsim web` on a free port."""
    environment = os.environ | {
        "BUDSIM_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "BUDSIM_DATABASE_URL": settings.database_url,
        "BUDSIM_TOPIC_PREFIX": settings.topic_prefix,
        "BUDSIM_PORT": "0",
    }
    with log.open("wb") as out:
        return subprocess.Popen([sys.executable, "-m", "budsim.cli", "web"], stdout=out, stderr=out, env=environment | more)


def address_in(log: Path) -> str:
    found = wait_until_blocking(
        lambda: [line for line in log.read_text().splitlines() if line.startswith("web http://")], 60, what="it listens"
    )
    return found[0].removeprefix("web ")


async def test_sigterm_answers_whoever_waits_and_ends_the_process_in_time(settings: Settings, tmp_path: Path):
    process = start(settings, tmp_path / "web.log")
    try:
        address = await asyncio.to_thread(address_in, tmp_path / "web.log")
        async with calling(settings) as known, ClientSession(address, timeout=ClientTimeout(60)) as session:
            headers = {"Authorization": f"Bearer {known.secret}"}

            async def ask() -> tuple[int, str]:
                async with session.post("/simulator/run?wait=60", json=BODY, headers=headers) as response:
                    return response.status, (await response.json())["object"]

            async def waits() -> bool:
                async with session.get("/metrics") as response:
                    return "budsim_http_waiting 3.0" in await response.text()

            asking = [asyncio.create_task(ask()) for _ in range(3)]
            await wait_until(waits, 30, what="three callers wait")
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, STOP_S) == 0
            assert await asyncio.gather(*asking) == [(202, "workflow_metadata")] * 3
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in (tmp_path / "web.log").read_text()


def test_a_port_that_is_taken_is_one_clear_line(settings: Settings, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(settings, tmp_path / "web.log", BUDSIM_PORT=str(taken.getsockname()[1]))
        assert process.wait(60) == 2
    text = (tmp_path / "web.log").read_text()
    assert "BUDSIM_PORT" in text
    assert len(text.splitlines()) == 1


async def test_kafka_away_is_told_and_everything_that_only_reads_goes_on(settings: Settings):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
    async with calling(settings.model_copy(update={"kafka_bootstrap": nobody})) as caller:
        status, body = await caller.call("POST", "/simulator/run", json=BODY)
        assert (status, body["code"]) == (503, "unavailable")
        assert int(caller.headers["Retry-After"]) > 0
        assert (await caller.call("PUT", "/clusters/c1", json={"nodes": []}))[0] == 503
        status, health = await caller.call("GET", "/health")
        assert (status, health["checks"]) == (503, {"postgresql": True, "kafka": False})
        assert (await caller.call("GET", "/workflows"))[1]["items"] == []


async def test_postgresql_away_is_told_and_it_recovers_by_itself(settings: Settings, server_folder: Path):
    postgres = EmbeddedPostgres(server_folder / "stopped-by-the-web")
    postgres.start()
    try:
        run_apart(lambda: upgrade(postgres.dsn))
        async with calling(settings.model_copy(update={"database_url": postgres.dsn})) as caller:
            assert (await caller.call("GET", "/health"))[0] == 200
            await asyncio.to_thread(postgres.stop)
            status, body = await caller.call("POST", "/simulator/run", json=BODY)
            assert (status, body["code"]) == (503, "unavailable")
            status, health = await caller.call("GET", "/health")
            assert (status, health["checks"]) == (503, {"postgresql": False, "kafka": True})
            await asyncio.to_thread(postgres.start)

            async def back() -> bool:
                return (await caller.call("POST", "/simulator/run", json=BODY))[0] == 202

            await wait_until(back, 60, what="it takes requests again")
    finally:
        postgres.stop()


async def test_one_identity_is_held_by_one_process_at_a_time(settings: Settings):
    from uuid import uuid4

    engines = [create_engine(settings.database_url) for _ in range(2)]
    first, second = (PostgresIdentities(create_sessions(engine)) for engine in engines)
    mine, other = uuid4(), uuid4()
    entered = asyncio.Event()

    async def hold() -> None:
        async with second.held(mine):
            entered.set()

    async with first.held(mine):
        waiting = asyncio.create_task(hold())
        async with second.held(other):  # another identity is free meanwhile
            assert not entered.is_set()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(entered.wait(), 0.5)
    await asyncio.wait_for(waiting, 10)
    for engine in engines:
        await engine.dispose()


@asynccontextmanager
async def served(application: web.Application) -> AsyncIterator[int]:
    """Serve as the command does, and yield the port."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    listening = await server.listening(runner, "127.0.0.1", 0)
    await runner.setup()
    await listening.start_serving()
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await runner.cleanup()


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_a_connection_without_a_whole_request_is_dropped(monkeypatch: pytest.MonkeyPatch, said: bytes):
    monkeypatch.setattr(server, "HEADERS_S", 0.3)
    async with served(web.Application()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "BODY_S", 0.3)
    head = f"POST /simulator/run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nContent-Length: 100\r\n\r\n{{"
    answer = await raw(head.encode(), until=lambda text: b"unreadable_body" in text)
    assert answer.startswith(b"HTTP/1.1 400")


async def test_bytes_that_are_no_text_in_a_header_are_refused():
    for name in (b"Idempotency-Key", b"Authorization", b"traceparent"):
        head = b"POST /simulator/run HTTP/1.1\r\nHost: x\r\ndapr-api-token: " + SECRET.encode() + b"\r\n" + name + b": \xff\xfe\r\n"
        answer = await raw(head + b"Content-Length: 2\r\n\r\n{}", until=lambda text: b'"object"' in text)
        assert answer.startswith(b"HTTP/1.1 422")


async def raw(said: bytes, *, until: Callable[[bytes], bool]) -> bytes:
    """Return what a view over fakes answers to these bytes."""
    async with open_office() as office:
        reader, writer = await asyncio.open_connection(office.client.host, office.client.port)
        writer.write(said)
        heard = b""
        async with asyncio.timeout(10):
            while not until(heard):
                part = await reader.read(65536)
                assert part, heard
                heard += part
        writer.close()
        return heard


def test_aiohttp_has_what_the_headers_guard_looks_at():
    assert "_request_count" in aiohttp.web_protocol.RequestHandler.__slots__
