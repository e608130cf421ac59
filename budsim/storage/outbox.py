"""PostgresOutbox: what was committed is sent, in order, under an advisory lock a stream."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any, Final, Protocol, TypeAlias

from sqlalchemy import ARRAY, BigInteger, Row, Table, Text, bindparam, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from budsim.core.errors import InvalidInput, Unavailable
from budsim.services.ports import OutgoingMessage
from budsim.storage.engine import Sessions, transaction
from budsim.storage.schema import OutboxRow, table_of
from budsim.storage.values import message_of

log = logging.getLogger(__name__)
SEND_S = 4.0  # one bounded send; it is part of an attempt, which must not be used up by an outage of Kafka
GATHER_S = 0.1  # how long a round waits for the one before it: a topic that is away must not hold up other streams
KEPT = timedelta(days=1)

_OUTBOX: Final[Table] = table_of(OutboxRow)
_KEYS: Final = bindparam("keys", type_=ARRAY(Text))
_TRY: Final = text("SELECT key FROM unnest(CAST(:keys AS text[])) AS key WHERE pg_try_advisory_xact_lock(hashtextextended(key, 0))")
_WAIT: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
_UNSENT: Final = (
    select(_OUTBOX).where(_OUTBOX.c.stream_key == func.any(_KEYS), _OUTBOX.c.sent_at.is_(None)).order_by(_OUTBOX.c.stream_key, _OUTBOX.c.id)
)
_SENT: Final = (
    update(_OUTBOX).where(_OUTBOX.c.id == func.any(bindparam("ids", type_=ARRAY(BigInteger)))).values(sent_at=func.clock_timestamp())
)


Sent: TypeAlias = Mapping[str, int | BaseException]  # by stream: how many messages were sent, or why none were


class Publisher(Protocol):
    """Sends messages and awaits the broker."""

    async def publish(self, messages: Sequence[OutgoingMessage]) -> None:
        """Send in order."""
        ...


class PostgresOutbox:
    """Publishes rows of the outbox; the streams of this process that wait at the same time share a transaction, a round."""

    def __init__(self, sessions: Sessions, publisher: Publisher) -> None:
        self._sessions = sessions
        self._publisher = publisher
        self._gathering: set[str] | None = None  # streams of the round that has not begun
        self._round: asyncio.Task[Sent] | None = None  # the newest

    async def publish(self, stream_key: str) -> int:
        """Send what is unsent under one key, after whoever is sending it now.

        Raises:
            Unavailable: Kafka, a topic or PostgreSQL is away; other streams of the round are not touched by a topic of this one.
            InvalidInput: A message is larger than its topic takes.
        """
        sent = await asyncio.shield(self._joined(stream_key))
        return _count(sent[stream_key]) if stream_key in sent else await self._alone(stream_key)

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

    def _joined(self, stream_key: str) -> "asyncio.Task[Sent]":
        """Return the round that will send a stream: the one still gathering, or a new one after the one under way."""
        if self._gathering is None or self._round is None:
            self._gathering = set()
            self._round = asyncio.create_task(self._send_round(self._gathering, after=self._round))
        self._gathering.add(stream_key)
        return self._round

    async def _send_round(self, keys: set[str], *, after: "asyncio.Task[Sent] | None") -> "Sent":
        """Send streams together; one that another process is sending is not in the answer."""
        if after is not None:
            await asyncio.wait((after,), timeout=GATHER_S)
        self._gathering = None
        async with transaction(self._sessions) as session:
            mine = (await session.scalars(_TRY, {"keys": sorted(keys)})).all()
            return await self._flush(session, mine)

    async def _alone(self, stream_key: str) -> int:
        async with transaction(self._sessions) as session:
            await session.execute(_WAIT, {"key": stream_key})
            sent = await self._flush(session, [stream_key])
        return _count(sent[stream_key])

    async def _swept(self, stream_key: str) -> int:
        try:
            async with transaction(self._sessions) as session:
                mine = (await session.scalars(_TRY, {"keys": [stream_key]})).all()
                sent = await self._flush(session, mine)
            return sum(map(_count, sent.values()))
        except InvalidInput as error:
            # no broker will ever take it: its stream stands still, the others must not
            log.error("outbox stream %s is refused: %s", stream_key, error)
            return 0

    async def _flush(self, session: AsyncSession, keys: Sequence[str]) -> "Sent":
        """Send the unsent messages of streams whose locks are held, each stream in its order, and mark what was sent."""
        rows = (await session.execute(_UNSENT, {"keys": list(keys)})).all() if keys else []
        streams = {key: list(group) for key, group in groupby(rows, key=lambda row: row.stream_key)}
        outcomes = await asyncio.gather(*map(self._send, streams.values()), return_exceptions=True)
        errors = {key: error for key, error in zip(streams, outcomes, strict=True) if error is not None}
        if sent := [row.id for key, stream in streams.items() if key not in errors for row in stream]:
            await session.execute(_SENT, {"ids": sent})
        return {key: errors.get(key, len(streams.get(key, ()))) for key in keys}

    async def _send(self, stream: Sequence[Row[Any]]) -> None:
        try:
            await asyncio.wait_for(self._publisher.publish([message_of(row) for row in stream]), SEND_S)
        except TimeoutError as error:
            raise Unavailable(f"Kafka did not take {len(stream)} messages within {SEND_S:g} s") from error


def _count(outcome: int | BaseException) -> int:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
