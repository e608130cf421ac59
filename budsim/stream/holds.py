"""Waiting that neither loses a message nor keeps the worker: outages are held out, a suspended flow gives the message up."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from budsim.core.errors import Unavailable
from budsim.stream.metrics import HOLDING, HOLDS

T = TypeVar("T")
log = logging.getLogger(__name__)


class GivenUp(Exception):
    """Flow control was suspended before the message had its outcome; it will be read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Bounds of retries and holds. [s]

    Attributes:
        step_s: How often a waiting message looks whether it must be given up.
        grace_s: How long work in hand may go on once flow control is suspended; SIGTERM must end a worker within 10 s.
    """

    attempts: int = 3
    first_delay_s: float = 1.0
    factor: float = 2.0
    attempt_s: float = 20.0
    total_s: float = 30.0
    hold_first_s: float = 0.2
    hold_longest_s: float = 2.0
    step_s: float = 0.1
    grace_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """The clocks of the loop; tests bring their own."""

    unix_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Holds:
    """Runs and waits, as long as flow control is active."""

    def __init__(self, *, flow_active: Callable[[], bool], policy: RetryPolicy, timers: Timers) -> None:
        self._flow_active = flow_active
        self._policy = policy
        self._timers = timers
        self.holding = 0  # messages waiting out an outage now

    async def available(self, action: Callable[[], Awaitable[T]]) -> T:
        """Return the action's result, waiting out outages: a hold costs no attempt and no retry time."""
        delay_s, held = self._policy.hold_first_s, False
        try:
            while True:
                try:
                    return await action()
                except Unavailable as error:
                    if not held:
                        held = True
                        self._count(1)
                        log.warning("holding: %s", error)
                await self.wait(delay_s)
                delay_s = min(2 * delay_s, self._policy.hold_longest_s)
        finally:
            if held:
                self._count(-1)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Hold until the condition is true."""
        if condition():
            return
        self._count(1)
        try:
            while not condition():
                await self.wait(self._policy.step_s)
        finally:
            self._count(-1)

    async def wait(self, seconds: float) -> None:
        """Sleep in short steps; give the message up as soon as flow control is suspended."""
        until_s = self._timers.monotonic_s() + seconds
        while True:
            if not self._flow_active():
                raise GivenUp
            left_s = until_s - self._timers.monotonic_s()
            if left_s <= 0:
                return
            await self._timers.sleep(min(self._policy.step_s, left_s))

    async def watched(self, action: Callable[[], Awaitable[T]], limit_s: float | None = None) -> T:
        """Run the action in the calling task, at most `limit_s`, and not beyond the grace after flow control was suspended.

        It must be the calling task: Faust lets only that one write tables for the event in hand.
        """
        loop, policy = asyncio.get_running_loop(), self._policy
        suspended = False
        timer: asyncio.TimerHandle

        def look() -> None:
            nonlocal timer, suspended
            if self._flow_active():
                timer = loop.call_later(policy.step_s, look)
                return
            suspended = True
            end_s, planned_s = loop.time() + policy.grace_s, scope.when()
            scope.reschedule(end_s if planned_s is None else min(end_s, planned_s))

        scope = asyncio.timeout(limit_s)
        timer = loop.call_later(policy.step_s, look)
        try:
            async with scope:
                return await action()
        except TimeoutError as error:
            if not scope.expired():
                raise
            if suspended:
                raise GivenUp from error
            raise TimeoutError(f"no outcome within {limit_s} s") from error
        finally:
            timer.cancel()

    def _count(self, change: int) -> None:
        self.holding += change
        HOLDING.set(self.holding)
        if change > 0:
            HOLDS.inc()
