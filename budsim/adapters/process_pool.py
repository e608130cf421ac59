"""ProcessPool: CPU work in other processes; a killed one costs the culprit, and nobody else."""

import asyncio
import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

T = TypeVar("T")
PR_SET_PDEATHSIG = 1


class WorkerCrashed(RuntimeError):
    """The process that computed this was killed, also when it ran alone."""


class ProcessPool:
    """A pool of forkserver processes, made anew when one of them dies."""

    def __init__(self, size: int, *, warm: Callable[[], object] | None = None) -> None:
        self._size = size
        self._warm = warm
        self._executor: ProcessPoolExecutor | None = None
        self._alone = asyncio.Lock()

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Return function(*arguments), computed in another process.

        Raises:
            WorkerCrashed: The process died even with nothing beside it.
        """
        executor = self._started()
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, function, *arguments)
        except BrokenProcessPool:
            self._discard(executor)
        # every pending call is a suspect: run each alone, so that only the one that kills its process is charged
        async with self._alone:
            alone = _executor(1, self._warm)
            try:
                return await asyncio.get_running_loop().run_in_executor(alone, function, *arguments)
            except BrokenProcessPool as error:
                raise WorkerCrashed(f"the process computing {getattr(function, '__name__', function)} was killed") from error
            finally:
                alone.shutdown(wait=False, cancel_futures=True)

    async def start(self) -> None:
        """Start the processes and warm them."""
        executor = self._started()
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(executor, os.getpid) for _ in range(self._size)))

    def stop(self) -> None:
        """End all processes."""
        if self._executor is not None:
            self._discard(self._executor)

    def _started(self) -> ProcessPoolExecutor:
        if self._executor is None:
            self._executor = _executor(self._size, self._warm)
        return self._executor

    def _discard(self, executor: ProcessPoolExecutor) -> None:
        if self._executor is executor:
            self._executor = None
        executor.shutdown(wait=False, cancel_futures=True)


def _executor(size: int, warm: Callable[[], object] | None) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    return ProcessPoolExecutor(size, mp_context=context, initializer=_prepare, initargs=(warm,))


def _prepare(warm: Callable[[], Any] | None) -> None:
    """Leave SIGINT to the parent, die with it, and pay for imports and models once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if warm is not None:
        warm()
