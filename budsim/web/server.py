"""Serving an application until a signal ends it."""

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from budsim.core.errors import InvalidInput

log = logging.getLogger(__name__)
HEADERS_S: Final = 20.0  # longest time until the headers of a connection's first request are in
KEEP_ALIVE_S: Final = 75.0
GRACE_S: Final = 3.0  # for requests under way when the signal comes


async def serve(application: web.Application, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the address.

    Raises:
        InvalidInput: The address cannot be listened on.
    """
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    # aiohttp's own access log would write tokens that callers put into addresses
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=GRACE_S, keepalive_timeout=KEEP_ALIVE_S)
    server = await listening(runner, host, port)
    try:
        await runner.setup()
        await server.start_serving()
        ready(f"http://{host}:{server.sockets[0].getsockname()[1]}/")
        await ended.wait()
    finally:
        server.close()
        await runner.cleanup()


async def listening(runner: web.AppRunner, host: str, port: int) -> asyncio.Server:
    """Return the server of a runner that is about to be set up; it has its address and does not serve yet.

    Raises:
        InvalidInput: The address cannot be listened on.
    """
    loop = asyncio.get_running_loop()

    def accept() -> RequestHandler:
        if runner.server is None:
            raise RuntimeError("serving began before the runner was set up")
        handler = runner.server()
        loop.call_later(HEADERS_S, _drop_if_silent, handler)
        return handler

    try:
        return await loop.create_server(accept, host, port, start_serving=False)
    except OSError as error:
        remedy = "set BUDSIM_HOST and BUDSIM_PORT; port 0 takes any free one"
        raise InvalidInput(f"{host}:{port} cannot be listened on ({error.strerror});", param="port", remedy=remedy) from error


def _drop_if_silent(handler: "RequestHandler") -> None:
    """Close a connection that has sent no whole request; aiohttp itself bounds only the pauses between requests."""
    if handler.transport is not None and not handler._request_count:
        handler.force_close()
