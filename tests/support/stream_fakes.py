"""Fakes of what the stream loop touches: time, publisher, Faust's app and stream."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from budsim.core.errors import BudSimError, InvalidInput, Unavailable
from budsim.services.ports import OutgoingMessage
from budsim.stream.codec import Codec, DecodeFailure, Received, Record, Tombstone
from budsim.stream.fuse import Fuse
from budsim.stream.holds import RetryPolicy, Timers
from budsim.stream.loop import MessageLoop, Outcome, Route

DEAD_LETTERS = "dead-letters"


class Greeted(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    name: str
    times: int = 1
    weight: float = 0.0


def greeted_codec() -> Codec[Greeted]:
    return Codec(Greeted, max_value_bytes=1000)


def record(value: bytes | None = b'{"name": "Ada"}', *, key: bytes | None = b"k", offset: int = 7, headers: Any = ()) -> Record:
    return Record(topic="greetings", partition=3, offset=offset, key=key, value=value, headers=tuple(headers))


class FakeTime:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.at: list[tuple[float, Callable[[], None]]] = []

    def plan(self, after_s: float, action: Callable[[], None]) -> None:
        self.at.append((self.now_s + after_s, action))

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        due = [item for item in self.at if item[0] <= self.now_s]
        self.at = [item for item in self.at if item[0] > self.now_s]
        for _, action in due:
            action()

    def timers(self) -> Timers:
        return Timers(unix_s=lambda: self.now_s, monotonic_s=lambda: self.now_s, sleep=self.sleep)


class FakePublisher:
    """Keeps what was sent; topics can be away or too small."""

    def __init__(self) -> None:
        self.sent: list[OutgoingMessage] = []
        self.away: set[str] = set()
        self.limit_bytes: dict[str, int] = {}
        self.refusals = 0

    async def publish(self, messages: Sequence[OutgoingMessage]) -> None:
        for message in messages:
            if message.topic in self.away:
                self.refusals += 1
                raise Unavailable(f"topic {message.topic} is away")
            if len(message.value or b"") > self.limit_bytes.get(message.topic, 10**9):
                self.refusals += 1
                raise InvalidInput("too large")
            self.sent.append(message)

    def topics(self) -> list[str]:
        return [message.topic for message in self.sent]

    def dead(self) -> list[OutgoingMessage]:
        return [message for message in self.sent if message.topic == DEAD_LETTERS]


class FakeFlow:
    """Flow control that a test suspends."""

    def __init__(self) -> None:
        self.active = True

    def suspend(self) -> None:
        self.active = False


POLICY = RetryPolicy(grace_s=0.05, step_s=0.1)
ANSWER = OutgoingMessage(topic="answers", key=b"k", value=b"hello")
NEWS = OutgoingMessage(topic="news", key=b"k", value=b"failed")


class Desk:
    """A loop with everything around it faked, and a route that does what a test says, call by call."""

    def __init__(self, *, fuse: Fuse | None = None, policy: RetryPolicy = POLICY, places: int | None = None) -> None:
        self.places = asyncio.Semaphore(places) if places else None
        self.time, self.flow, self.publisher = FakeTime(), FakeFlow(), FakePublisher()
        self.fuse = fuse or Fuse()
        self.calls = 0
        self.told: list[object] = []
        self.script: list[Exception | Callable[[], Awaitable[object]] | None] = []
        self.loop = MessageLoop(
            publisher=self.publisher,
            dead_letter_topic=DEAD_LETTERS,
            flow_active=lambda: self.flow.active,
            policy=policy,
            fuse=self.fuse,
            timers=self.time.timers(),
        )

    async def handle(self, _: object) -> Sequence[OutgoingMessage]:
        self.calls += 1
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        if step is not None:
            await step()
        return (ANSWER,)

    async def tell(self, *news: object) -> Sequence[OutgoingMessage]:
        self.told.append(news)
        return (NEWS,)

    def route(self, *, tombstone: bool = False) -> Route[Greeted]:
        async def undecodable(failure: DecodeFailure) -> Sequence[OutgoingMessage]:
            return await self.tell(failure)

        async def failed(received: Received[Greeted], error: BudSimError) -> Sequence[OutgoingMessage]:
            return await self.tell(received, error)

        async def removed(removal: Tombstone) -> Sequence[OutgoingMessage]:
            return await self.handle(removal)

        return Route(
            agent="greeter",
            codec=greeted_codec(),
            handle=self.handle,
            places=self.places,
            tombstone=removed if tombstone else None,
            undecodable=undecodable,
            failed=failed,
        )

    async def conclude(self, value: bytes | None = b'{"name": "Ada"}', *, tombstone: bool = False) -> Outcome:
        return await self.loop.conclude(record(value), self.route(tombstone=tombstone))

    def reason(self) -> str:
        (letter,) = self.publisher.dead()
        return dict(letter.headers)["dlq_reason"].decode()
