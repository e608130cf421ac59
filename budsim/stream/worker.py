"""A Faust app with the settings the guarantees need, run in the foreground."""

import os
import ssl
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faust
from faust.types.auth import SASLMechanism

from budsim.services.connection import KafkaConnection
from budsim.stream.loop import MessageLoop, Route

SHUTDOWN_S = 9.0  # SIGTERM must end a worker within 10 s, also when the broker is gone and a clean leave would wait for it


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What differs from worker to worker."""

    app_id: str
    data_folder: Path
    store: str
    table_partitions: int
    instance_id: str | None = None
    loglevel: str = "INFO"


def create_faust_app(connection: KafkaConnection, options: WorkerOptions) -> faust.App:
    """Return an app that declares no topics, runs no web server and commits every half second."""
    extra: dict[str, Any] = {"consumer_group_instance_id": options.instance_id} if options.instance_id else {}
    return faust.App(
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
        web_enabled=False,
        autodiscover=False,
        **extra,
    )


def input_topic(app: faust.App, name: str) -> Any:
    """Return a topic of raw bytes: decoding happens in the loop, where a failure has an outcome."""
    return app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=True)


def register(app: faust.App, topic: str, loop: MessageLoop, route: Route[Any]) -> None:
    """Run a route over a topic, one actor a partition."""

    async def agent(stream: Any) -> None:
        await loop.run(app, stream, route)

    app.agent(input_topic(app, topic), name=route.agent, isolated_partitions=True)(agent)


def attach(app: faust.App, name: str, task: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a background coroutine from start to stop; its crash ends the worker."""

    async def run() -> None:
        await task()

    run.__name__ = run.__qualname__ = name
    app.task(run)


def run_worker(app: faust.App, *, loglevel: str) -> None:
    """Run until SIGTERM or SIGINT; raise SystemExit with the worker's exit code."""
    worker = faust.Worker(app, loglevel=loglevel, redirect_stdouts=False, quiet=True)
    _bound_shutdown()
    worker.execute_from_commandline()


def _bound_shutdown() -> None:
    """On a termination signal, give the clean way its time; then end the process: what was not acknowledged is read again."""

    def watch() -> None:
        timer = threading.Timer(SHUTDOWN_S, os._exit, args=(0,))
        timer.daemon = True
        timer.start()

    faust.Worker._on_sigterm = _chained(faust.Worker._on_sigterm, watch)
    faust.Worker._on_sigint = _chained(faust.Worker._on_sigint, watch)


def _chained(original: Callable[..., None], watch: Callable[[], None]) -> Callable[..., None]:
    def handler(self: Any, *arguments: Any) -> None:
        watch()
        original(self, *arguments)

    return handler


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
