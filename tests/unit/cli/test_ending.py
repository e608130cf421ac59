"""A signal ends asynchronous work by cancelling it."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from budsim.cli.ending import Ended, until_ended

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def signalled(number: signal.Signals, done: list[str], *, stumbles: bool = False) -> None:
    """Send this process a signal from a callback that swallows whatever is raised in it, then wait for ever."""

    def send() -> None:
        with suppress(BaseException):
            os.kill(os.getpid(), number)

    asyncio.get_running_loop().call_soon(send)
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 20)
    finally:
        done.append("cleaned up")
        if stumbles:
            raise ValueError("the clean-up failed")


@pytest.mark.parametrize("number", ENDING)
def test_the_work_cleans_up_and_then_it_is_told_which_signal_ended_it(number: signal.Signals) -> None:
    done: list[str] = []
    with pytest.raises(Ended) as ended:
        asyncio.run(until_ended(signalled(number, done)))
    assert (ended.value.number, done) == (number, ["cleaned up"])
    assert {signal.getsignal(each) for each in ENDING} == {signal.SIG_IGN}  # nothing disturbs what is left to end


def test_a_clean_up_that_fails_is_ended_all_the_same() -> None:
    with pytest.raises(Ended):
        asyncio.run(until_ended(signalled(signal.SIGTERM, [], stumbles=True)))


async def test_work_without_a_signal_returns_and_leaves_the_handlers_as_they_were() -> None:
    before = [signal.getsignal(each) for each in ENDING]
    assert await until_ended(asyncio.sleep(0, "answer")) == "answer"
    assert [signal.getsignal(each) for each in ENDING] == before


async def test_an_error_of_the_work_is_raised() -> None:
    async def fails() -> None:
        raise ValueError("of the work")

    with pytest.raises(ValueError, match="of the work"):
        await until_ended(fails())


async def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def hangs_up() -> str:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.05)
        return "went on"

    assert await until_ended(hangs_up()) == "went on"
