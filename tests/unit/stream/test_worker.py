import asyncio
import ssl
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from faust.types.enums import ProcessingGuarantee

from budsim.services.connection import KafkaConnection
from budsim.stream.holds import RetryPolicy
from budsim.stream.worker import SHUTDOWN_S, WorkerOptions, at_stop, create_faust_app, input_topic, register, supervised
from tests.support.stream_fakes import Desk, FakeTime


def options(folder: Path, instance_id: str | None = None) -> WorkerOptions:
    return WorkerOptions(app_id="t", data_folder=folder, store="memory://", table_partitions=12, instance_id=instance_id)


def test_the_settings_that_carry_the_guarantees_are_set(tmp_path: Path) -> None:
    conf = create_faust_app(KafkaConnection(bootstrap="a:1,b:2"), options(tmp_path, "eval-1")).conf
    assert [str(url) for url in conf.broker] == ["kafka://a:1", "kafka://b:2"]
    assert (conf.broker_session_timeout, conf.broker_heartbeat_interval, conf.broker_commit_interval) == (10.0, 3.0, 0.5)
    assert (conf.producer_request_timeout, conf.producer_max_request_size) == (20.0, 2 * 1024 * 1024)
    assert (conf.topic_allow_declare, conf.topic_disable_leader, conf.web_enabled, conf.stream_wait_empty) == (False, True, False, True)
    assert conf.consumer_group_instance_id == "eval-1"
    assert conf.processing_guarantee == ProcessingGuarantee.AT_LEAST_ONCE


def test_an_app_shows_neither_tables_nor_other_workers_over_http(tmp_path: Path) -> None:
    conf = create_faust_app(KafkaConnection(bootstrap="a:1"), options(tmp_path)).conf
    assert (conf.web_enabled, conf.web_tables_enabled, conf.web_router_enabled) == (False, False, False)


def test_one_message_at_most_takes_less_than_the_rebalance_timeout(tmp_path: Path) -> None:
    conf = create_faust_app(KafkaConnection(bootstrap="a:1"), options(tmp_path)).conf
    policy = RetryPolicy()
    assert policy.total_s < conf.broker_rebalance_timeout
    assert policy.attempt_s <= policy.total_s
    assert policy.grace_s < SHUTDOWN_S < 10.0


def test_an_agent_is_one_actor_a_partition_and_no_more(tmp_path: Path) -> None:
    app = create_faust_app(KafkaConnection(bootstrap="a:1"), options(tmp_path))
    register(app, "greetings", Desk().loop, Desk().route())
    (agent,) = app.agents.values()
    assert (agent.isolated_partitions, agent.concurrency) == (True, 1)


async def test_what_is_to_be_closed_is_closed_in_order_after_the_background_tasks_ended(tmp_path: Path) -> None:
    order: list[str] = []
    app = create_faust_app(KafkaConnection(bootstrap="a:1"), options(tmp_path))

    async def task() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            order.append("task ended")

    def closing(name: str) -> Callable[[], Coroutine[Any, Any, None]]:
        async def close() -> None:
            order.append(name)

        return close

    at_stop(app, closing("first"), closing("second"))
    app._stopped.clear()
    app.add_future(task())
    await asyncio.sleep(0)
    await asyncio.wait_for(app.stop(), 10.0)
    assert order == ["task ended", "first", "second"]


def test_without_an_instance_id_membership_is_dynamic(tmp_path: Path) -> None:
    assert create_faust_app(KafkaConnection(bootstrap="a:1"), options(tmp_path)).conf.consumer_group_instance_id is None


def test_sasl_and_tls_reach_faust(tmp_path: Path) -> None:
    context = ssl.create_default_context()
    security = (("sasl_mechanism", "SCRAM-SHA-512"), ("sasl_plain_username", "u"), ("sasl_plain_password", "p"), ("ssl_context", context))
    credentials = create_faust_app(KafkaConnection(bootstrap="a:1", security=security), options(tmp_path)).conf.broker_credentials
    assert (credentials.username, credentials.password, credentials.mechanism.value) == ("u", "p", "SCRAM-SHA-512")
    assert credentials.ssl_context is context


def test_topics_hand_out_the_bytes_as_they_came(tmp_path: Path) -> None:
    topic = input_topic(create_faust_app(KafkaConnection(bootstrap="a:1"), options(tmp_path)), "greetings")
    assert (topic.key_type, topic.value_type, topic.allow_empty) == (bytes, bytes, True)


async def test_a_crashed_task_is_started_again_ever_later_until_it_ends() -> None:
    time, starts = FakeTime(), list[float]()

    async def task() -> None:
        starts.append(time.now_s - 1000.0)
        if len(starts) < 4:
            raise KeyError("crash")

    await supervised("task", task, sleep=time.sleep)
    assert starts == [0.0, 1.0, 3.0, 7.0]  # after 1 s, 2 s, 4 s


async def test_cancelling_ends_the_task_within() -> None:
    ended = asyncio.Event()

    async def task() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    running = asyncio.create_task(supervised("task", task))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended.is_set()


@pytest.mark.parametrize(("code", "seen"), [("None", 0), ("0", 0), ("3", 3), ("'crashed'", 1)])
def test_a_process_ends_with_its_code_though_the_interpreter_would_hang(code: str, seen: int) -> None:
    hang = "import atexit, time; atexit.register(time.sleep, 600)"
    program = f"{hang}; from budsim.stream.worker import end_process; print('last'); end_process({code})"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (seen, "last\n")
