"""/health, /ready and /metrics of any process."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is asked: named checks, all true when well."""

    alive: Callable[[], Awaitable[dict[str, bool]]]
    ready: Callable[[], Awaitable[dict[str, bool]]]


def add_health_routes(application: web.Application, health: Health) -> None:
    """Add the three routes."""

    async def alive(_: web.Request) -> web.Response:
        return _answer(await health.alive())

    async def ready(_: web.Request) -> web.Response:
        return _answer(await health.ready())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application.add_routes([web.get("/health", alive), web.get("/ready", ready), web.get("/metrics", metrics)])


async def serve_health(health: Health, *, host: str, port: int) -> None:
    """Serve until cancelled."""
    application = web.Application()
    add_health_routes(application, health)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _answer(checks: dict[str, bool]) -> web.Response:
    return web.json_response({"object": "health", "checks": checks}, status=200 if all(checks.values()) else 503)
