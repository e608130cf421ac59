"""Commands that run everything at once: for as long as it is wanted, or for the demonstration."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from budsim.adapters.child_process import owned
from budsim.adapters.data_folder import FolderLock, free_port, port_answers, port_is_free
from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.adapters.embedded_postgres import EmbeddedPostgres
from budsim.app import topic_specs
from budsim.cli.admin import topic_admin
from budsim.cli.ending import ended_by_signals, failing_when_ended, until_ended
from budsim.config import PREFIX, Settings, load_settings
from budsim.core.errors import InvalidInput, Unavailable
from budsim.storage import migrate

console = Console()
STOP_S = 12.0
WEB_START_S = 60.0
# What a shell may say of servers and workers elsewhere; none of it holds for the embedded ones.
_SECURITY: Final = ("SASL_MECHANISM", "USERNAME", "PASSWORD", "TLS", "TLS_CA", "TLS_CERTIFICATE", "TLS_KEY")
_ELSEWHERE: Final = (*(f"KAFKA_{name}" for name in _SECURITY), "REPLICATION_FACTOR", "MIN_INSYNC_REPLICAS", "INSTANCE_ID", "HEALTH_PORT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A whole BudSim on this machine."""

    settings: Settings
    processes: dict[str, "subprocess.Popen[bytes]"]
    logs: Path


@contextmanager
def everything(folder: Path, *, evals: int = 1, with_web: bool = True) -> Iterator[Running]:
    """Start Kafka, PostgreSQL, topics, schema and workers; end them all afterwards.

    Call it from the main thread: whatever ends that, even SIGKILL, ends what it started.
    """
    os.environ.update(dict.fromkeys((PREFIX + name for name in _ELSEWHERE), ""))
    port = _web_port(load_settings()) if with_web else 0
    owner, postgres, kafka = FolderLock(folder), EmbeddedPostgres(folder / "postgres"), EmbeddedKafka(folder / "kafka")
    processes: dict[str, subprocess.Popen[bytes]] = {}
    owner.take()
    try:
        postgres.start()
        kafka.start()
        settings = load_settings(kafka_bootstrap=kafka.bootstrap, database_url=postgres.dsn, data_folder=folder, port=port)
        asyncio.run(until_ended(migrate.upgrade(settings.database_url)))
        asyncio.run(until_ended(topic_admin(settings).apply(topic_specs(settings))))
        names = ["flow", *(f"eval-{number}" for number in range(evals)), *(["web"] if with_web else [])]
        for name in names:
            processes[name] = start_process(name, settings, folder)
        yield Running(settings=settings, processes=processes, logs=folder)
    finally:
        _end(processes)
        kafka.stop()
        postgres.stop()
        owner.release()


def _web_port(settings: Settings) -> int:
    """Return a free port: the one that was asked for or an error, else the usual one if it is free."""
    if settings.port and port_is_free(settings.port):
        return settings.port
    if settings.port and "port" in settings.model_fields_set:
        remedy = "name another port, or 0 for any free one"
        raise InvalidInput(f"BUDSIM_PORT = {settings.port}: another program listens on {settings.host}:{settings.port}", remedy=remedy)
    return free_port()


def start_process(name: str, settings: Settings, folder: Path) -> "subprocess.Popen[bytes]":
    """Start one worker or the web view as a child that ends with this thread, its output in a file."""
    kind = name.split("-", maxsplit=1)[0]
    command = ["web"] if kind == "web" else ["worker", kind]
    environment = os.environ | {
        "BUDSIM_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "BUDSIM_DATABASE_URL": settings.database_url,
        "BUDSIM_DATA_FOLDER": str(folder / name),
        "BUDSIM_TOPIC_PREFIX": settings.topic_prefix,
        "BUDSIM_PORT": str(settings.port),
    }
    # -P: a folder «agents» or «tables» where the user happens to stand is not ours
    argv = owned([sys.executable, "-P", "-m", "budsim.cli", *command], death_signal=signal.SIGKILL)
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, start_new_session=True)


def _end(processes: "dict[str, subprocess.Popen[bytes]]") -> None:
    for process in processes.values():
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    until_s = time.monotonic() + STOP_S
    for process in processes.values():
        try:
            process.wait(max(0.1, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def up(evals: Annotated[int, typer.Option(help="Eval workers", min=1)] = 1) -> None:
    """Start everything on this machine: Kafka, PostgreSQL, workers, web. Ctrl-C ends all; a second start keeps the data.

    The web view takes port 8080, or a free one where 8080 is taken and BUDSIM_PORT does not ask for it.

    Example: budsim up --evals 2
    """
    folder = load_settings().data_folder
    try:
        with ended_by_signals(), everything(folder, evals=evals) as running:
            _wait(running, lambda: port_answers(running.settings.port), deadline_s=WEB_START_S)
            with _addresses(running) as file:
                _introduce(running, file)
                _wait(running, lambda: False)
    except KeyboardInterrupt:
        console.print("all has ended; the data are kept")


def _introduce(running: Running, file: Path) -> None:
    settings = running.settings
    console.print(f"Kafka       {settings.kafka_bootstrap}", highlight=False, soft_wrap=True)
    console.print(f"web         http://{settings.host}:{settings.port}/", highlight=False, soft_wrap=True)
    console.print(f"logs        {running.logs}", highlight=False, soft_wrap=True)
    console.print(f"in another shell:  . {file}", highlight=False, soft_wrap=True)
    console.print("Ctrl-C ends all", highlight=False)


@contextmanager
def _addresses(running: Running) -> Iterator[Path]:
    """Keep a file to be sourced by shells that want to talk to the servers, for as long as they run."""
    settings = running.settings
    file = running.logs / "env"
    file.touch(mode=0o600)
    dsn = settings.database_url.replace("+asyncpg", "")
    file.write_text(f"export BUDSIM_KAFKA_BOOTSTRAP='{settings.kafka_bootstrap}'\nexport BUDSIM_DATABASE_URL='{dsn}'\n")
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


def _wait(running: Running, done: Callable[[], bool], *, deadline_s: float = float("inf")) -> None:
    """Wait while every process lives; one that ended by itself ends all."""
    until_s = time.monotonic() + deadline_s
    while not done():
        ended = [name for name, process in running.processes.items() if process.poll() is not None]
        if ended or time.monotonic() > until_s:
            what = f"{', '.join(ended)} ended" if ended else f"the web view did not answer within {deadline_s:.0f} s"
            log = running.logs / f"{(ended or ['web'])[0]}.log"
            raise Unavailable(f"{what}, so all was ended.", remedy=f"See {log}.")
        time.sleep(0.2)


def demo() -> None:
    """Run a real request end to end on a real Kafka and PostgreSQL, then feedback, then the request again.

    Everything happens in a temporary folder and on free ports; nothing is left running. Takes about a minute.

    Example: budsim demo
    """
    from budsim.cli.demo import demonstrate

    os.environ.setdefault("BUDSIM_HUB_ENABLED", "false")  # the model of the demonstration is in the catalogue
    with failing_when_ended("the demonstration"), tempfile.TemporaryDirectory(prefix="budsim-demo-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        with everything(Path(name), with_web=False) as running:
            demonstrate(running.settings)
