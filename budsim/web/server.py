"""Serving an application until a signal ends it."""

import asyncio
import signal

from aiohttp import web


async def serve(application: web.Application, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=3.0)
    await runner.setup()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        await web.TCPSite(runner, host, port).start()
        await ended.wait()
    finally:
        await runner.cleanup()
