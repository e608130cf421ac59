"""A TCP proxy that can fall silent: connections stay open and nothing passes, as when a firewall drops every packet."""

import asyncio
from contextlib import suppress
from typing import Self
from urllib.parse import parse_qs, urlsplit


class SilentProxy:
    """Use as an async context manager; `address` is where clients go. The server is host:port, or the folder of a PostgreSQL socket."""

    def __init__(self, dsn: str) -> None:
        parts = urlsplit(dsn)
        self._parts = parts
        self._folder = parse_qs(parts.query).get("host", [""])[0]
        self._passing = asyncio.Event()
        self._passing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def dsn(self) -> str:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()
        user, at, _ = self._parts.netloc.rpartition("@")
        return f"{self._parts.scheme}://{user}{at}{host}:{port}{self._parts.path}"

    def fall_silent(self) -> None:
        self._passing.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._folder:
            onward = await asyncio.open_unix_connection(f"{self._folder}/.s.PGSQL.{self._parts.port or 5432}")
        else:
            onward = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        for source, sink in ((reader, onward[1]), (onward[0], writer)):
            self._tasks.add(asyncio.create_task(self._pass_on(source, sink)))

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                await self._passing.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
