"""CPU work in other processes.

Each process has a socket of its own, so a killed one breaks exactly the call it was computing and its neighbours notice nothing.
"""

import asyncio
import contextlib
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from budsim.core.errors import Unavailable

T = TypeVar("T")


class WorkerCrashed(RuntimeError):
    """The process that computed this call was killed, or ended by itself."""


class ProcessPool:
    """A fixed number of processes, each made anew when it dies."""

    def __init__(self, size: int, *, warm: Callable[[], object] | None = None) -> None:
        self.size = size
        self._workers = [_Worker(warm) for _ in range(size)]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        # one thread waits for each process; the kernel ties a process's life to the thread that started it
        self._threads = ThreadPoolExecutor(max_workers=size, thread_name_prefix="pool")
        self._stopped = False

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Return function(*arguments), computed in another process; both must be picklable.

        A cancelled call ends its process: nobody would take the answer, and a search without end would keep the place for ever.

        Raises:
            WorkerCrashed: The process died under this call.
            Unavailable: The pool was stopped.
        """
        if self._stopped:
            raise Unavailable("The process pool has stopped.")
        place = _Place()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._call, place, function, arguments)
        except asyncio.CancelledError:
            place.give_up()
            raise

    async def start(self) -> None:
        """Start and warm every process that is not there; without it each starts at its first call."""
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(self._threads, self._start_one) for _ in self._workers))

    def stop(self) -> None:
        """End all processes at once; calls under way raise Unavailable."""
        self._stopped = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.end()

    async def close(self) -> None:
        """Stop, off the event loop."""
        await asyncio.to_thread(self.stop)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of those that live."""
        return tuple(worker.pid for worker in self._workers if worker.pid is not None)

    @property
    def is_warm(self) -> bool:
        """Whether every process lives and has its models loaded."""
        return all(worker.pid is not None and worker.is_warm for worker in self._workers)

    def _start_one(self) -> None:
        worker = self._idle.get()  # the one that has been idle longest: no call can be using it
        try:
            if not self._stopped:
                worker.start()
        finally:
            self._give_back(worker)

    def _call(self, place: "_Place", function: Callable[..., T], arguments: tuple[object, ...]) -> T:
        worker = self._idle.get()
        try:
            worker.start()
            place.take(worker)
            return worker.compute(function, arguments)
        except WorkerCrashed as error:
            if self._stopped:
                raise Unavailable("The process pool has stopped.") from error
            raise
        finally:
            place.leave()
            self._give_back(worker)

    def _give_back(self, worker: "_Worker") -> None:
        if self._stopped:  # it may have been started while stop was ending the others
            worker.end()
        self._idle.put(worker)


class _Place:
    """Which process computes one call now; the event loop and the call's thread both ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self._given_up = False

    def take(self, worker: "_Worker") -> None:
        """Note the process; raise WorkerCrashed when the call was given up before it began."""
        with self._lock:
            if self._given_up:
                raise WorkerCrashed("The call was cancelled before it began.")
            self._worker = worker

    def leave(self) -> None:
        with self._lock:
            self._worker = None

    def give_up(self) -> None:
        """Kill the process, if it computes this call and no other."""
        with self._lock:
            self._given_up = True
            if self._worker is not None:
                self._worker.kill()


class _Worker:
    """One process and the socket to it."""

    def __init__(self, warm: Callable[[], object] | None) -> None:
        self._warm = warm
        self.is_warm = False
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start the process unless it lives, and warm it."""
        if self.pid is None:
            self.end()
            self.is_warm = False
            self._fork()
        if not self.is_warm:
            if self._warm is not None:
                self._exchange(self._warm, ())
            self.is_warm = True

    def compute(self, function: Callable[..., T], arguments: tuple[object, ...]) -> T:
        result: T = self._exchange(function, arguments)
        return result

    def kill(self) -> None:
        """Kill the process; whoever waits for its answer learns of it."""
        if self._process is not None:
            self._process.kill()

    def end(self) -> None:
        """Kill the process and close the socket."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._connection is not None and not self._connection.closed:
            with contextlib.suppress(OSError):
                self._connection.close()

    def _fork(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "budsim.adapters.pool_child", str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)},
            )
        self._connection = Connection(ours.detach())

    def _exchange(self, function: Callable[..., Any], arguments: tuple[object, ...]) -> Any:
        connection, process = self._connection, self._process
        if connection is None or process is None:
            raise WorkerCrashed("The process was not started.")
        try:
            connection.send((function, arguments))
            error, value = connection.recv()
        except (EOFError, OSError) as crash:
            name = getattr(function, "__name__", repr(function))
            raise WorkerCrashed(f"The process computing {name} ended with code {process.wait()}.") from crash
        if error is not None:
            raise error
        return value
