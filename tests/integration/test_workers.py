"""Real workers on real servers: what they say of themselves, which ports they open, and what they leave at their end."""

import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.app import topic_specs
from tests.support.databases import Database
from tests.support.stack import Stack, example_request, running_stack
from tests.support.waiting import wait_until

FLOW_CHECKS = {"assigned", "recovered", "no hold", "postgresql"}
EVAL_CHECKS = FLOW_CHECKS | {"pool", "models"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    monkeypatch.setenv("BUDSIM_HUB_ENABLED", "false")
    return {"flow": free_port(), "eval-0": free_port()}


@pytest.fixture
def stack(
    kafka: EmbeddedKafka,
    migrated_database: Database,
    topic_prefix: str,
    tmp_path: Path,
    ports: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stack]:
    with running_stack(kafka.bootstrap, migrated_database.dsn, topic_prefix, tmp_path, workers=()) as made:
        for name, port in ports.items():
            monkeypatch.setenv("BUDSIM_HEALTH_PORT", str(port))
            made.start(name)
        yield made


async def asked(port: int, path: str) -> tuple[int, str]:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, await answer.text()
    except aiohttp.ClientConnectionError as error:
        return 0, repr(error)


async def topics_of(stack: Stack) -> set[str]:
    admin = AIOKafkaAdminClient(**stack.settings.kafka.options())
    await admin.start()
    try:
        return {name for name in await admin.list_topics() if name.startswith(stack.settings.topic_prefix)}
    finally:
        await admin.close()


async def is_ready(port: int) -> bool:
    return (await asked(port, "/ready"))[0] == 200


async def test_a_worker_tells_health_readiness_and_metrics_on_its_one_port_and_leaves_nothing_open(
    stack: Stack, ports: dict[str, int]
) -> None:
    for name, checks in (("flow", FLOW_CHECKS), ("eval-0", EVAL_CHECKS)):
        await wait_until(lambda port=ports[name]: is_ready(port), 90.0, what=f"{name} is ready")
        assert set(re.findall(r'"([^"]+)": true', (await asked(ports[name], "/ready"))[1])) == checks
        assert (await asked(ports[name], "/health"))[0] == 200
        assert "budsim_holding 0.0" in (await asked(ports[name], "/metrics"))[1]
        listening = {
            item.laddr.port for item in psutil.Process(stack.processes[name].pid).net_connections("tcp") if item.status == "LISTEN"
        }
        assert listening == {ports[name]}  # and not Faust's 6066
    await stack.report_examples()
    workflow_id = uuid4()
    await stack.send(stack.messages.request(example_request(), workflow_id))
    await stack.answer(workflow_id, deadline_s=60)  # now every producer and pool of connections is open
    computing = psutil.Process(stack.processes["eval-0"].pid).children()
    assert computing
    assert await topics_of(stack) == {spec.name for spec in topic_specs(stack.settings)}  # Faust has created none
    for name in ports:
        assert stack.kill(name, signal.SIGTERM) == 0
        log = (stack.folder / f"{name}.log").read_text()
        assert not re.search("Unclosed|never awaited|never retrieved|Traceback", log), log
    await wait_until(lambda: not any(child.is_running() for child in computing), what="the processes of the pool are gone")
