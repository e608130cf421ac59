"""Blocking work that nobody has to wait for: a loop or a program that ends leaves it behind."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def in_daemon(work: Callable[[], T]) -> "asyncio.Future[T]":
    """Run `work` in a daemon thread of its own; the future carries what it returned or raised.

    `asyncio.to_thread` would keep `asyncio.run` from returning until a name server or a proxy that does not answer has timed out.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # without an error there is a result

    def run() -> None:
        result, raised = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  # whatever it is, it belongs to the one who awaits the future
            raised = error
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, result, raised)

    Thread(target=run, daemon=True, name="errand").start()
    return future
