"""The one loop all agents share: every message ends in exactly one of result, retry or dead letter."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from mode.utils.futures import notify
from pydantic import BaseModel

from budsim.core.errors import BudSimError, InvalidInput, Unavailable
from budsim.services.causation import following
from budsim.services.ports import OutgoingMessage
from budsim.stream.codec import Codec, DecodeFailure, Received, Record, Tombstone, record_of
from budsim.stream.dead_letters import Cause, dead_letter
from budsim.stream.fuse import Fuse
from budsim.stream.holds import GivenUp, Holds, RetryPolicy, Timers
from budsim.stream.logs import in_hand
from budsim.stream.metrics import ATTEMPTS_FAILED, FUSE_OPEN, GIVEN_UP, OUTCOMES, SECONDS

__all__ = ["GivenUp", "MessageLoop", "Outcome", "Publisher", "RetryPolicy", "Route", "Timers"]

E = TypeVar("E", bound=BaseModel)
T = TypeVar("T")
log = logging.getLogger(__name__)


class Publisher(Protocol):
    """Sends messages and awaits the broker."""

    async def publish(self, messages: Sequence[OutgoingMessage]) -> None:
        """Send in order; raise Unavailable while Kafka is away."""
        ...


class Outcome(StrEnum):
    """How a message ended."""

    RESULT = "result"
    RESULT_AFTER_RETRY = "result_after_retry"
    DEAD_LETTER = "dead_letter"


async def _nothing(_: object, __: object = None) -> Sequence[OutgoingMessage]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[E]):
    """What an agent does with the events of its topic.

    A BudSimError from `handle` is invalid input: no retry mends it. Unavailable is a hold. Any other exception is retried.

    Attributes:
        handle: Event in, messages out.
        tombstone: What a null value means; None makes it a decode failure.
        undecodable: Messages (or effects) that follow a decode failure.
        failed: Messages (or effects) that follow a refusal or the last failed attempt.
        places: How many may be worked on at once; who waits for a place spends no time of its attempt. None = as many as come.
    """

    agent: str
    codec: Codec[E]
    handle: Callable[[Received[E]], Awaitable[Sequence[OutgoingMessage]]]
    tombstone: Callable[[Tombstone], Awaitable[Sequence[OutgoingMessage]]] | None = None
    undecodable: Callable[[DecodeFailure], Awaitable[Sequence[OutgoingMessage]]] = _nothing
    failed: Callable[[Received[E], BudSimError], Awaitable[Sequence[OutgoingMessage]]] = _nothing
    places: asyncio.Semaphore | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One record with what is to be done about it."""

    record: Record
    agent: str
    work: Callable[[], Awaitable[Sequence[OutgoingMessage]]]
    failed: Callable[[BudSimError], Awaitable[Sequence[OutgoingMessage]]]
    places: asyncio.Semaphore | None = None


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
        timers: Timers = Timers(),  # noqa: B008 frozen
    ) -> None:
        self._publisher = publisher
        self._dead_letter_topic = dead_letter_topic
        self._policy = policy
        self._fuse = fuse
        self._timers = timers
        self._holds = Holds(flow_active=flow_active, policy=policy, timers=timers)

    @property
    def holding(self) -> int:
        """How many messages wait out an outage now."""
        return self._holds.holding

    async def run(self, app: Any, stream: Any, route: Route[E]) -> None:
        """Iterate a Faust stream without automatic acknowledgement; ack only after the outcome."""
        unacknowledged = stream.noack()
        async for event in unacknowledged.events():
            record = record_of(event.message)
            try:
                await self.conclude(record, route)
            except GivenUp:
                GIVEN_UP.labels(route.agent).inc()
                with in_hand(route.agent, record):
                    log.info("given up, to be read again")
                app.consumer.unacked.discard(event.message)
                notify(app.consumer._waiting_for_ack)  # the revoke waits for this message, else up to a second longer
                continue
            await unacknowledged.ack(event)

    async def conclude(self, record: Record, route: Route[E]) -> Outcome:
        """Bring one record to its outcome; raise GivenUp when flow control is suspended first."""
        started_s = self._timers.monotonic_s()
        with in_hand(route.agent, record):
            outcome = await self._concluded(record, route)
        OUTCOMES.labels(route.agent, outcome.value).inc()
        SECONDS.labels(route.agent).observe(self._timers.monotonic_s() - started_s)
        return outcome

    async def _concluded(self, record: Record, route: Route[E]) -> Outcome:
        tombstone = route.tombstone
        if record.value is None and tombstone is not None:
            removal = Tombstone(record=record)
            return await self._attempts(_Task(record=record, agent=route.agent, work=lambda: tombstone(removal), failed=_nothing))
        decoded = route.codec.decode(record)
        with following(decoded.event_id, decoded.header("traceparent")):
            return await self._answered(record, route, decoded)

    async def _answered(self, record: Record, route: Route[E], decoded: Received[E] | DecodeFailure) -> Outcome:
        if isinstance(decoded, DecodeFailure):
            await self._bury(record, Cause(agent=route.agent, error="DecodeFailure", reason=decoded.reason, attempts=0, at_s=self._now_s()))
            await self._follow_up(lambda: route.undecodable(decoded))
            return Outcome.DEAD_LETTER
        task = _Task(
            record=record,
            agent=route.agent,
            work=lambda: route.handle(decoded),
            failed=lambda error: route.failed(decoded, error),
            places=route.places,
        )
        return await self._attempts(task)

    async def _attempts(self, task: _Task) -> Outcome:
        policy, fuse, ticket = self._policy, self._fuse, object()
        spent_s, delay_s = 0.0, policy.first_delay_s
        attempt = 0
        try:
            while True:
                attempt += 1
                await self._holds.until(lambda: fuse.admits(ticket, now_s=self._now_s()))
                error, seconds = await self._attempt(task, limit_s=min(policy.attempt_s, policy.total_s - spent_s))
                if error is None:
                    self._note(ticket, failed=False)
                    return Outcome.RESULT if attempt == 1 else Outcome.RESULT_AFTER_RETRY
                if isinstance(error, BudSimError):
                    return await self._refuse(task, error, attempt)
                spent_s += seconds + delay_s
                if attempt == policy.attempts or spent_s >= policy.total_s:
                    self._note(ticket, failed=True)
                    return await self._refuse(task, unexpected(error), attempt)
                await self._holds.wait(delay_s)
                delay_s *= policy.factor
        finally:
            fuse.release(ticket)

    def _note(self, ticket: object, *, failed: bool) -> None:
        self._fuse.record(ticket, failed=failed, now_s=self._now_s())
        FUSE_OPEN.set(self._fuse.is_open)

    async def _attempt(self, task: _Task, *, limit_s: float) -> tuple[Exception | None, float]:
        """Return what went wrong, and how long the work took without its holds."""
        seconds = 0.0

        async def work() -> Sequence[OutgoingMessage]:
            nonlocal seconds
            async with self._place(task.places):
                started_s = self._timers.monotonic_s()
                try:
                    return await self._holds.watched(task.work, limit_s)
                finally:
                    seconds = self._timers.monotonic_s() - started_s

        messages = await self._tried(work)
        error = messages if isinstance(messages, Exception) else await self._tried(lambda: self._publish_once(messages))
        if error is not None and not isinstance(error, BudSimError):
            ATTEMPTS_FAILED.labels(task.agent).inc()
            log.error("an attempt failed", exc_info=error)
        return error, seconds

    @asynccontextmanager
    async def _place(self, places: asyncio.Semaphore | None) -> AsyncIterator[None]:
        """Hold one of the places; waiting for it is given up as work in hand is, once flow control is suspended."""
        if places is None:
            yield
            return
        await self._holds.watched(places.acquire)
        try:
            yield
        finally:
            places.release()

    async def _tried(self, action: Callable[[], Awaitable[T]]) -> T | Exception:
        """Return the result or the error; outages are waited out."""
        try:
            return await self._holds.available(action)
        except GivenUp:
            raise
        except Exception as error:  # noqa: BLE001 the one place: whatever went wrong, the message needs an outcome
            return error

    async def _refuse(self, task: _Task, error: BudSimError, attempts: int) -> Outcome:
        name = type(error.__cause__ or error).__name__
        await self._bury(task.record, Cause(agent=task.agent, error=name, reason=str(error), attempts=attempts, at_s=self._now_s()))
        await self._follow_up(lambda: task.failed(error))
        return Outcome.DEAD_LETTER

    async def _follow_up(self, action: Callable[[], Awaitable[Sequence[OutgoingMessage]]]) -> None:
        """Do and send what follows a dead letter; an error in it cannot undo the dead letter and is logged."""
        messages = await self._tried(lambda: self._holds.watched(action, self._policy.attempt_s))
        error = messages if isinstance(messages, Exception) else await self._tried(lambda: self._publish_once(messages))
        if error is not None:
            log.error("nobody was told of a dead letter", exc_info=error)

    async def _bury(self, record: Record, cause: Cause) -> None:
        log.warning("dead letter: %s", cause.reason)
        letter = dead_letter(record, cause, self._dead_letter_topic)
        await self._holds.available(lambda: self._send_dead_letter(letter))

    async def _send_dead_letter(self, letter: OutgoingMessage) -> None:
        try:
            await self._publish_once((letter,))
        except InvalidInput as error:
            # nowhere is left to put the message: it waits until an operator mends the topic
            raise Unavailable(f"{letter.topic} refuses a dead letter: {error}", remedy="raise its max.message.bytes") from error

    async def _publish_once(self, messages: Sequence[OutgoingMessage]) -> None:
        if messages:
            await self._holds.watched(lambda: self._publisher.publish(messages))

    def _now_s(self) -> float:
        return self._timers.unix_s()


def unexpected(error: Exception) -> BudSimError:
    """Return an unexpected error as callers may see it."""
    wrapped = BudSimError(f"{type(error).__name__}: {error}", remedy="send the request again; if it fails again, report the workflow_id")
    wrapped.__cause__ = error
    return wrapped
