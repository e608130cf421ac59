"""The one loop all agents share: every message ends in exactly one of result, retry or dead letter."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel

from budsim.core.errors import BudSimError, Unavailable
from budsim.services.ports import OutgoingMessage
from budsim.stream.codec import Codec, DecodeFailure, Received, Record, Tombstone
from budsim.stream.dead_letters import Cause, dead_letter
from budsim.stream.fuse import Fuse
from budsim.stream.metrics import HOLDING, OUTCOMES, SECONDS

E = TypeVar("E", bound=BaseModel)
T = TypeVar("T")
log = logging.getLogger(__name__)


class GivenUp(Exception):
    """Flow control was suspended while a message waited; it will be read again."""


class Publisher(Protocol):
    """Sends messages and awaits the broker."""

    async def publish(self, messages: Sequence[OutgoingMessage]) -> None:
        """Send in order; raise Unavailable while Kafka is away."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Bounds of retries and holds. [s]"""

    attempts: int = 3
    first_delay_s: float = 1.0
    factor: float = 2.0
    attempt_s: float = 20.0
    total_s: float = 30.0
    hold_first_s: float = 0.2
    hold_longest_s: float = 2.0
    step_s: float = 0.1  # how often a waiting message looks whether it must be given up


async def _nothing(_: object, __: object = None) -> Sequence[OutgoingMessage]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[E]):
    """What an agent does with the events of its topic.

    Attributes:
        handle: Event in, messages out.
        tombstone: What a null value means; None makes it a decode failure.
        undecodable: Messages (or effects) that follow a decode failure.
        failed: Messages (or effects) that follow a refusal or the last failed attempt.
    """

    agent: str
    codec: Codec[E]
    handle: Callable[[Received[E]], Awaitable[Sequence[OutgoingMessage]]]
    tombstone: Callable[[Tombstone], Awaitable[Sequence[OutgoingMessage]]] | None = None
    undecodable: Callable[[DecodeFailure], Awaitable[Sequence[OutgoingMessage]]] = _nothing
    failed: Callable[[Received[E], BudSimError], Awaitable[Sequence[OutgoingMessage]]] = _nothing


class MessageLoop:
    """Runs routes over Faust streams."""

    def __init__(
        self,
        *,
        publisher: Publisher,
        dead_letter_topic: str,
        flow_active: Callable[[], bool],
        policy: RetryPolicy,
        fuse: Fuse,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._publisher = publisher
        self._dead_letter_topic = dead_letter_topic
        self._flow_active = flow_active
        self._policy = policy
        self._fuse = fuse
        self._clock = clock
        self.holding = 0  # messages waiting out an outage now; health reads it

    async def run(self, app: Any, stream: Any, route: Route[E]) -> None:
        """Iterate a Faust stream without automatic acknowledgement; ack only after the outcome."""
        unacknowledged = stream.noack()
        async for event in unacknowledged.events():
            record = record_of(event.message)
            try:
                await self.conclude(record, route)
            except GivenUp:
                log.info("%s: %s/%s@%s given up, to be read again", route.agent, record.topic, record.partition, record.offset)
                app.consumer.unacked.discard(event.message)
                continue
            await unacknowledged.ack(event)

    async def conclude(self, record: Record, route: Route[E]) -> None:
        """Bring one record to its outcome; raise GivenUp when flow control is suspended first."""
        started_s = time.perf_counter()
        if record.value is None and route.tombstone is not None:
            await self._publish(await self._available(lambda: _call(route.tombstone, Tombstone(record=record))))
            outcome = "result"
        else:
            outcome = await self._decoded(record, route)
        OUTCOMES.labels(route.agent, outcome).inc()
        SECONDS.labels(route.agent).observe(time.perf_counter() - started_s)

    async def _decoded(self, record: Record, route: Route[E]) -> str:
        decoded = route.codec.decode(record)
        if isinstance(decoded, DecodeFailure):
            await self._bury(record, self._cause(route, "DecodeFailure", decoded.reason, 0))
            await self._publish(await self._available(lambda: route.undecodable(decoded)))
            return "dead_letter"
        await self._fuse_closed()
        return await self._attempts(decoded, route)

    async def _attempts(self, received: Received[E], route: Route[E]) -> str:
        policy, spent_s, delay_s = self._policy, 0.0, self._policy.first_delay_s
        for attempt in range(1, policy.attempts + 1):
            started_s = time.monotonic()
            try:
                messages = await self._available(lambda: asyncio.wait_for(_call(route.handle, received), policy.attempt_s))
                await self._publish(messages)
            except (GivenUp, asyncio.CancelledError):
                self._fuse.release()
                raise
            except BudSimError as error:
                await self._refuse(received, route, error, attempt)
                return "dead_letter"
            except Exception as error:
                spent_s += time.monotonic() - started_s
                self._fuse.record(failed=True, now_s=self._clock())
                log.exception("%s: attempt %s of %s failed", route.agent, attempt, policy.attempts)
                if attempt == policy.attempts or spent_s + delay_s > policy.total_s:
                    await self._refuse(received, route, unexpected(error), attempt)
                    return "dead_letter"
                await self._wait(delay_s)
                spent_s, delay_s = spent_s + delay_s, delay_s * policy.factor
            else:
                self._fuse.record(failed=False, now_s=self._clock())
                return "result" if attempt == 1 else "result_after_retry"
        return "dead_letter"

    async def _refuse(self, received: Received[E], route: Route[E], error: BudSimError, attempts: int) -> None:
        self._fuse.release()
        await self._bury(received.record, self._cause(route, type(error).__name__, str(error), attempts))
        await self._publish(await self._available(lambda: route.failed(received, error)))

    def _cause(self, route: Route[E], error: str, reason: str, attempts: int) -> Cause:
        return Cause(agent=route.agent, error=error, reason=reason, attempts=attempts, at_s=self._clock())

    async def _bury(self, record: Record, cause: Cause) -> None:
        log.warning("%s: dead letter for %s/%s@%s: %s", cause.agent, record.topic, record.partition, record.offset, cause.reason)
        await self._publish([dead_letter(record, cause, self._dead_letter_topic)])

    async def _publish(self, messages: Sequence[OutgoingMessage]) -> None:
        if messages:
            await self._available(lambda: self._publisher.publish(messages))

    async def _available(self, action: Callable[[], Awaitable[T]]) -> T:
        """Return the action's result, waiting out outages: a hold costs no attempt and no retry time."""
        delay_s = self._policy.hold_first_s
        held = False
        try:
            while True:
                try:
                    return await action()
                except Unavailable as error:
                    if not held:
                        held = True
                        self._hold(1)
                        log.warning("holding: %s", error)
                await self._wait(delay_s)
                delay_s = min(2 * delay_s, self._policy.hold_longest_s)
        finally:
            if held:
                self._hold(-1)

    async def _fuse_closed(self) -> None:
        if self._fuse.admits(self._clock()):
            return
        self._hold(1)
        try:
            while not self._fuse.admits(self._clock()):
                await self._wait(self._policy.step_s)
        finally:
            self._hold(-1)

    def _hold(self, change: int) -> None:
        self.holding += change
        HOLDING.set(self.holding)

    async def _wait(self, seconds: float) -> None:
        """Sleep in short steps; give the message up as soon as flow control is suspended."""
        until_s = time.monotonic() + seconds
        while True:
            if not self._flow_active():
                raise GivenUp
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return
            await asyncio.sleep(min(self._policy.step_s, left_s))


async def _call(function: Callable[[Any], Awaitable[T]] | None, argument: object) -> T:
    if function is None:
        msg = "no handler"
        raise TypeError(msg)
    return await function(argument)


def unexpected(error: Exception) -> BudSimError:
    """Return an unexpected error as callers may see it."""
    return BudSimError(f"{type(error).__name__}: {error}", remedy="send the request again; if it fails again, report the workflow_id")


def record_of(message: Any) -> Record:
    """Return a Faust message as a plain record."""
    headers = message.headers.items() if isinstance(message.headers, dict) else message.headers or ()
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=tuple((str(name), value if isinstance(value, bytes) else str(value).encode()) for name, value in headers),
        timestamp_s=message.timestamp or 0.0,
    )
