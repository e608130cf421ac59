"""Waiting with a deadline instead of sleeping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

POLL_S = 0.05


async def wait_until(condition: Callable[[], object | Awaitable[object]], deadline_s: float = 10.0, *, what: str = "") -> object:
    """Return the condition's first true answer, plain or awaited; fail naming `what` and the last answer when the time is up."""
    end_s = time.monotonic() + deadline_s
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        _check(end_s, what or repr(condition), answer)
        await asyncio.sleep(POLL_S)


def wait_until_blocking(condition: Callable[[], object], deadline_s: float = 10.0, *, what: str = "") -> object:
    """The same for tests without an event loop."""
    end_s = time.monotonic() + deadline_s
    while not (answer := condition()):
        _check(end_s, what or repr(condition), answer)
        time.sleep(POLL_S)
    return answer


def _check(end_s: float, what: str, answer: object) -> None:
    if time.monotonic() > end_s:
        raise AssertionError(f"too late: {what} (last answer: {answer!r})")
