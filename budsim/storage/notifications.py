"""WorkflowNews: one LISTEN connection a process tells whoever waits for a workflow that it has ended."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.engine import make_url

from budsim.storage.engine import CONNECT_S
from budsim.storage.locked_workflow import CHANNEL

log = logging.getLogger(__name__)
RECONNECT_S = 1.0
PROBE_S = 15.0  # a connection that was cut without a word is found out after so long; waits re-read meanwhile
_LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


class WorkflowNews:
    """Listens on a direct connection of its own, outside every pool, and connects again whenever it is lost."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._waiting: dict[UUID, set[asyncio.Event]] = {}
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nobody should wait any longer."""
        return self._closed

    @contextmanager
    def subscribed(self, workflow_id: UUID) -> Iterator[asyncio.Event]:
        """Yield an event that is set by news of the workflow, and whenever news may have been missed."""
        news = asyncio.Event()
        self._waiting.setdefault(workflow_id, set()).add(news)
        try:
            yield news
        finally:
            self._waiting[workflow_id].discard(news)
            if not self._waiting[workflow_id]:
                del self._waiting[workflow_id]

    def close(self) -> None:
        """Send everyone home."""
        self._closed = True
        self._wake_all()

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except _LOST as error:
                log.warning("the LISTEN connection is lost (%r); waits re-read until it is back", error)
            await asyncio.sleep(RECONNECT_S)

    async def _listen(self) -> None:
        connection = await _connect(self._dsn)
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())
        try:
            await connection.add_listener(CHANNEL, self._hear)
            self._wake_all()  # what happened before the connection stood was not heard
            while not ended.is_set():
                try:
                    await asyncio.wait_for(ended.wait(), PROBE_S)
                except TimeoutError:
                    await connection.execute("SELECT 1", timeout=CONNECT_S)
        finally:
            connection.terminate()

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        try:
            workflow_id = UUID(str(payload))
        except ValueError:
            log.warning("%s carried %.80r, which is no workflow", CHANNEL, payload)
            return
        for news in self._waiting.get(workflow_id, ()):
            news.set()

    def _wake_all(self) -> None:
        for waiting in self._waiting.values():
            for news in waiting:
                news.set()


async def _connect(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    """Connect by the same address SQLAlchemy takes."""
    url = make_url(dsn)
    _, options = url.get_dialect()().create_connect_args(url)
    chosen: dict[str, Any] = {
        name: value for name, value in options.items() if not name.startswith(("prepared_statement_", "async_")) and value is not None
    }
    return await asyncpg.connect(**chosen, timeout=CONNECT_S, server_settings={"application_name": "budsim listen"})
