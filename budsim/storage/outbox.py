"""PostgresOutbox: what was committed is sent, in order, under an advisory lock a stream."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from sqlalchemy import delete, func, select, text, update

from budsim.core.errors import InvalidInput, Unavailable
from budsim.services.ports import OutgoingMessage
from budsim.storage.engine import Sessions, transaction
from budsim.storage.schema import OutboxRow
from budsim.storage.values import message_of

log = logging.getLogger(__name__)
SEND_S = 4.0  # one bounded send; it is part of an attempt, which must not be used up by an outage of Kafka
KEPT = timedelta(days=1)


class Publisher(Protocol):
    """Sends messages and awaits the broker."""

    async def publish(self, messages: Sequence[OutgoingMessage]) -> None:
        """Send in order."""
        ...


class PostgresOutbox:
    """Publishes rows of the outbox."""

    def __init__(self, sessions: Sessions, publisher: Publisher) -> None:
        self._sessions = sessions
        self._publisher = publisher

    async def publish(self, stream_key: str) -> int:
        """Send what is unsent under one key, after whoever is sending it now."""
        return await self._flush(stream_key, "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0)) IS NOT NULL")

    async def sweep(self, *, older_than_s: float, limit: int) -> int:
        """Send what a crash left behind; keys that another process is sending are passed over."""
        old = OutboxRow.created_at < func.clock_timestamp() - timedelta(seconds=older_than_s)
        stream = OutboxRow.stream_key
        left = select(stream).where(OutboxRow.sent_at.is_(None), old).group_by(stream).order_by(func.min(OutboxRow.id)).limit(limit)
        async with transaction(self._sessions) as session:
            keys = (await session.scalars(left)).all()
        return sum([await self._swept(key) for key in keys])

    async def prune(self) -> None:
        """Delete what was sent long ago."""
        async with transaction(self._sessions) as session:
            await session.execute(delete(OutboxRow).where(OutboxRow.sent_at < func.now() - KEPT))

    async def _swept(self, stream_key: str) -> int:
        try:
            return await self._flush(stream_key, "SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 0))")
        except InvalidInput as error:
            # no broker will ever take it: its stream stands still, the others must not
            log.error("outbox stream %s is refused: %s", stream_key, error)
            return 0

    async def _flush(self, stream_key: str, lock: str) -> int:
        async with transaction(self._sessions) as session:
            if not (await session.execute(text(lock), {"key": stream_key})).scalar():
                return 0
            unsent = select(OutboxRow).where(OutboxRow.stream_key == stream_key, OutboxRow.sent_at.is_(None)).order_by(OutboxRow.id)
            rows = (await session.scalars(unsent)).all()
            if not rows:
                return 0
            try:
                await asyncio.wait_for(self._publisher.publish([message_of(row) for row in rows]), SEND_S)
            except TimeoutError as error:
                raise Unavailable(f"Kafka did not take {len(rows)} messages within {SEND_S:g} s") from error
            ids = [row.id for row in rows]
            await session.execute(update(OutboxRow).where(OutboxRow.id.in_(ids)).values(sent_at=func.clock_timestamp()))
            return len(ids)
