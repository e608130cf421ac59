"""Commands that run: workers, the web view, everything at once, the demonstration."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.adapters.embedded_postgres import EmbeddedPostgres
from budsim.app import create_eval_app, create_flow_app, create_web_app, topic_specs
from budsim.cli.admin import topic_admin
from budsim.config import Settings, load_settings
from budsim.storage import migrate
from budsim.stream.worker import run_worker

worker = typer.Typer()
console = Console()
STOP_S = 12.0


@worker.command()
def flow() -> None:
    """Run plan, gather, feedback, clusters and prices."""
    settings = load_settings()
    run_worker(create_flow_app(settings), loglevel=settings.log_level)


@worker.command("eval")
def evaluate() -> None:
    """Run evaluate, search and the blacklist; start one a core."""
    settings = load_settings()
    run_worker(create_eval_app(settings), loglevel=settings.log_level)


def web() -> None:
    """Run the HTTP API and the page."""
    from budsim.web.server import serve

    settings = load_settings()

    def ready(address: str) -> None:
        console.print(f"web {address}", highlight=False)

    async def run() -> None:
        await serve(create_web_app(settings), host=settings.host, port=settings.port, ready=ready)

    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(run())


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A whole BudSim on this machine."""

    settings: Settings
    processes: dict[str, "subprocess.Popen[bytes]"]
    logs: Path


@contextmanager
def everything(folder: Path, *, evals: int = 1, with_web: bool = True) -> Iterator[Running]:
    """Start Kafka, PostgreSQL, topics, schema and workers; end them all afterwards."""
    postgres, kafka = EmbeddedPostgres(folder / "postgres"), EmbeddedKafka(folder / "kafka")
    processes: dict[str, subprocess.Popen[bytes]] = {}
    folder.mkdir(parents=True, exist_ok=True)
    try:
        postgres.start()
        kafka.start()
        settings = load_settings(kafka_bootstrap=kafka.bootstrap, database_url=postgres.dsn, data_folder=folder)
        asyncio.run(migrate.upgrade(settings.database_url))
        asyncio.run(topic_admin(settings).apply(topic_specs(settings)))
        names = ["flow", *(f"eval-{number}" for number in range(evals)), *(["web"] if with_web else [])]
        for name in names:
            processes[name] = start_process(name, settings, folder)
        yield Running(settings=settings, processes=processes, logs=folder)
    finally:
        _end(processes)
        kafka.stop()
        postgres.stop()


def start_process(name: str, settings: Settings, folder: Path) -> "subprocess.Popen[bytes]":
    """Start one worker or the web view as a child, its output in a file."""
    kind = name.split("-", maxsplit=1)[0]
    command = ["web"] if kind == "web" else ["worker", kind]
    environment = os.environ | {
        "BUDSIM_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "BUDSIM_DATABASE_URL": settings.database_url,
        "BUDSIM_DATA_FOLDER": str(folder / name),
        "BUDSIM_TOPIC_PREFIX": settings.topic_prefix,
    }
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "budsim.cli", *command], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment
        )


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
    """Start everything on this machine: Kafka, PostgreSQL, workers, web. Ctrl-C ends all; a second start keeps the data."""
    folder = load_settings().data_folder
    with everything(folder, evals=evals) as running:
        settings = running.settings
        console.print(f"Kafka       {settings.kafka_bootstrap}\nPostgreSQL  {settings.database_url}", highlight=False)
        console.print(f"web         http://{settings.host}:{settings.port}/\nlogs        {running.logs}", highlight=False)
        console.print("Ctrl-C ends all", highlight=False)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            while all(process.poll() is None for process in running.processes.values()):
                time.sleep(0.5)
            ended = [name for name, process in running.processes.items() if process.poll() is not None]
            console.print(f"{', '.join(ended)} ended; see {running.logs}")
            raise typer.Exit(1)
        except KeyboardInterrupt:
            console.print("ending")


def demo() -> None:
    """Run a real request end to end on a real Kafka and PostgreSQL, then feedback, then the request again."""
    from budsim.cli.demo import demonstrate

    os.environ.setdefault("BUDSIM_HUB_ENABLED", "false")  # the model of the demonstration is in the catalogue
    with tempfile.TemporaryDirectory(prefix="budsim-demo-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        with everything(Path(name), with_web=False) as running:
            demonstrate(running.settings)
