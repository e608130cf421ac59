"""A Faust app with the settings the guarantees need, run in the foreground."""

import asyncio
import logging
import os
import ssl
import sys
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Any, NoReturn

import faust
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from faust.types.auth import SASLMechanism

from budsim.services.connection import KafkaConnection
from budsim.stream.loop import MessageLoop, Route

log = logging.getLogger(__name__)
SHUTDOWN_S = 7.0  # SIGTERM must end a worker within 10 s, on a busy machine and when the broker is gone and a clean leave would wait for it
RESTART_FIRST_S, RESTART_LONGEST_S = 1.0, 30.0
RECONNECT_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What differs from worker to worker.

    Attributes:
        instance_id: Static membership: after a restart in place the worker has its partitions back without a rebalance.
    """

    app_id: str
    data_folder: Path
    store: str
    table_partitions: int
    instance_id: str | None = None


class ClosingApp(faust.App):
    """An app that starts once Kafka answers and, at its stop, closes what it was given.

    That is after the last message had its outcome and every background task ended.
    """

    def __init__(self, connection: KafkaConnection, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.connection = connection
        self.closers: list[Callable[[], Coroutine[Any, Any, None]]] = []

    async def on_first_start(self) -> None:
        """Wait for Kafka: Faust gives up where its clients cannot connect, and a worker must not end for an outage."""
        await super().on_first_start()
        while not self.should_stop and not await answers(self.connection):
            log.warning("Kafka at %s is away; the worker starts when it answers", self.connection.bootstrap)
            await self.sleep(RECONNECT_S)

    async def on_shutdown(self) -> None:
        """Close in the order given."""
        for close in self.closers:
            await close()


def create_faust_app(connection: KafkaConnection, options: WorkerOptions) -> ClosingApp:
    """Return an app that declares no topics, runs no web server and commits every half second."""
    extra: dict[str, Any] = {"consumer_group_instance_id": options.instance_id} if options.instance_id else {}
    return ClosingApp(
        connection,
        options.app_id,
        broker=[f"kafka://{host}" for host in connection.bootstrap.split(",")],
        broker_credentials=_credentials(dict(connection.security)),
        store=options.store,
        datadir=str(options.data_folder),
        key_serializer="raw",
        value_serializer="raw",
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=options.table_partitions,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=3.0,
        broker_request_timeout=60.0,
        broker_commit_interval=0.5,
        producer_request_timeout=20.0,
        producer_max_request_size=2 * 1024 * 1024,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=True,
        web_enabled=False,
        web_tables_enabled=False,
        web_router_enabled=False,
        autodiscover=False,
        **extra,
    )


async def answers(connection: KafkaConnection) -> bool:
    """Whether a broker can be reached now."""
    client = AIOKafkaClient(**connection.options())
    try:
        await client.bootstrap()
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await client.close()
    return True


def input_topic(app: faust.App, name: str) -> Any:
    """Return a topic of raw bytes: decoding happens in the loop, where a failure has an outcome."""
    return app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=True)


def register(app: faust.App, topic: str, loop: MessageLoop, route: Route[Any]) -> None:
    """Run a route over a topic, one actor a partition."""

    async def agent(stream: Any) -> None:
        await loop.run(app, stream, route)

    app.agent(input_topic(app, topic), name=route.agent, isolated_partitions=True)(agent)


def attach(app: faust.App, name: str, task: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a background coroutine from start to stop, whatever the partitions do; after a crash it is started again."""

    async def run() -> None:
        await supervised(name, task)

    run.__name__ = run.__qualname__ = name
    app.task(run)


def at_stop(app: ClosingApp, *actions: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run coroutines at the stop, one after the other, when nothing of the worker runs any more."""
    app.closers.extend(actions)


async def supervised(
    name: str, task: Callable[[], Coroutine[Any, Any, None]], *, sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep
) -> None:
    """Run a coroutine until it ends or is cancelled; log a crash and start it again, ever later."""
    delay_s = RESTART_FIRST_S
    while True:
        running = asyncio.ensure_future(task())
        try:
            await asyncio.wait((running,))
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait((running,))
        error = None if running.cancelled() else running.exception()
        if error is None:
            return
        log.error("%s crashed; it starts again in %.0f s", name, delay_s, exc_info=error)
        await sleep(delay_s)
        delay_s = min(2 * delay_s, RESTART_LONGEST_S)


class BoundedWorker(faust.Worker):
    """A worker whose shutdown ends, clean or not: what was not acknowledged is read again."""

    def _schedule_shutdown(self, signal: Signals) -> None:
        timer = threading.Timer(SHUTDOWN_S, os._exit, args=(0,))
        timer.daemon = True
        timer.start()
        super()._schedule_shutdown(signal)


def run_worker(app: faust.App, *, loglevel: str) -> NoReturn:
    """Run until SIGTERM or SIGINT, then end the process: with code 0, or with another one after a crash.

    Logging is left as the caller set it up; if nobody did, Faust does.
    """
    override = not logging.getLogger().handlers
    try:
        BoundedWorker(app, loglevel=loglevel, redirect_stdouts=False, quiet=True, override_logging=override).execute_from_commandline()
    except SystemExit as end:
        end_process(end.code)
    end_process(0)


def end_process(code: object) -> NoReturn:
    """End at once: all that must be closed is closed by now, and the interpreter's own end has been seen to hang in native libraries."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _credentials(security: dict[str, Any]) -> Any:
    context = security.get("ssl_context")
    username = security.get("sasl_plain_username")
    if username:
        return faust.SASLCredentials(
            username=username,
            password=security.get("sasl_plain_password"),
            mechanism=SASLMechanism(security.get("sasl_mechanism", "PLAIN")),
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if isinstance(context, ssl.SSLContext) else None
