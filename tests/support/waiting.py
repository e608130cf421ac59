"""Waiting with a deadline instead of sleeping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

FIRST_POLL_S, LONGEST_POLL_S, FACTOR = 0.05, 0.5, 1.2  # what comes soon is seen soon; a long wait leaves the machine to what is waited for


async def wait_until(condition: Callable[[], object | Awaitable[object]], deadline_s: float = 10.0, *, what: str = "") -> object:
    """Return the condition's first true answer, plain or awaited; fail naming `what` and the last answer when the time is up."""
    end_s, poll_s = time.monotonic() + deadline_s, FIRST_POLL_S
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        _check(end_s, what or repr(condition), answer)
        await asyncio.sleep(poll_s)
        poll_s = min(FACTOR * poll_s, LONGEST_POLL_S)


def wait_until_blocking(condition: Callable[[], object], deadline_s: float = 10.0, *, what: str = "") -> object:
    """The same for tests without an event loop."""
    end_s, poll_s = time.monotonic() + deadline_s, FIRST_POLL_S
    while not (answer := condition()):
        _check(end_s, what or repr(condition), answer)
        time.sleep(poll_s)
        poll_s = min(FACTOR * poll_s, LONGEST_POLL_S)
    return answer


def _check(end_s: float, what: str, answer: object) -> None:
    if time.monotonic() > end_s:
        raise AssertionError(f"too late: {what} (last answer: {answer!r})")
