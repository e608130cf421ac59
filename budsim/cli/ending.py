"""Ctrl-C, SIGTERM and a closed terminal end a command in order: what it started ends first."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import typer

from budsim.cli.output import errors

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
        for each in _ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise Ended(number)

    heard = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup and «&» mean what they say
    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def failing_when_ended(what: str) -> Iterator[None]:
    """Turn a signal into one line and the exit code shells give it."""
    try:
        with ended_by_signals():
            yield
    except Ended as ended:
        errors().print(f"budsim: {what} was ended by {signal.Signals(ended.number).name} before it was done; nothing of it is left running")
        raise typer.Exit(_SHELLS_BASE + ended.number) from ended
