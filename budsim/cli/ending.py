"""Ctrl-C, SIGTERM and a closed terminal end a command in order: what it started ends first."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

import typer

from budsim.cli.output import errors

T = TypeVar("T")
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHELLS_BASE = 128  # exit code of a command that a signal ended, less the signal's number


class Ended(KeyboardInterrupt):
    """A signal asked for the end; a kind of KeyboardInterrupt, for which event loops and libraries make way."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise Ended at the first signal, and let nothing disturb the clean-up that follows."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        _ignore_signals()
        raise Ended(number)

    before = {number: signal.signal(number, end) for number in _heard()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def until_ended(work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns; the first signal cancels it, and raises Ended once it has cleaned up.

    An exception out of a signal's handler lands wherever the event loop is just then, also in code that swallows it; a cancelled
    task ends where it waits.
    """
    loop, task, numbers = asyncio.get_running_loop(), asyncio.ensure_future(work), list[int]()

    def end(number: int) -> None:
        numbers.append(number)
        task.cancel()

    before = {number: signal.getsignal(number) for number in _heard()}
    for number in before:
        loop.add_signal_handler(number, end, number)
    try:
        await asyncio.gather(task, return_exceptions=True)
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
    if numbers:
        _ignore_signals()
        raise Ended(numbers[0])
    return task.result()


def _heard() -> list[signal.Signals]:
    """Return the signals that are not ignored: nohup and «&» mean what they say."""
    return [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]


def _ignore_signals() -> None:
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def failing_when_ended(what: str) -> Iterator[None]:
    """Turn a signal into one line and the exit code shells give it."""
    try:
        with ended_by_signals():
            yield
    except Ended as ended:
        errors().print(f"budsim: {what} was ended by {signal.Signals(ended.number).name} before it was done; nothing of it is left running")
        raise typer.Exit(_SHELLS_BASE + ended.number) from ended
