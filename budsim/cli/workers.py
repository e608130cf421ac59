"""Commands that run one process: a worker, the web view."""

import asyncio
import logging

import typer
from rich.console import Console

from budsim.app import create_eval_app, create_flow_app, create_web_app
from budsim.config import load_settings
from budsim.stream.worker import run_worker

worker = typer.Typer()
console = Console()


@worker.command()
def flow() -> None:
    """Run plan, gather, feedback, clusters and prices, until SIGTERM or Ctrl-C.

    Example: BUDSIM_HEALTH_PORT=8081 budsim worker flow
    """
    settings = load_settings()
    run_worker(create_flow_app(settings), loglevel=settings.log_level)


@worker.command("eval")
def evaluate() -> None:
    """Run evaluate, search and the blacklist, until SIGTERM or Ctrl-C; start one a core.

    Example: BUDSIM_HEALTH_PORT=8082 budsim worker eval
    """
    settings = load_settings()
    run_worker(create_eval_app(settings), loglevel=settings.log_level)


def web() -> None:
    """Run the HTTP API and the page, until SIGTERM or Ctrl-C.

    Example: BUDSIM_PORT=0 budsim web
    """
    from budsim.web.server import serve

    settings = load_settings()

    def ready(address: str) -> None:
        console.print(f"web {address}", highlight=False)

    async def run() -> None:
        await serve(create_web_app(settings), host=settings.host, port=settings.port, ready=ready)

    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(run())
