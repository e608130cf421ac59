"""A server as a child process: it ends with its parent and logs to a file."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from budsim.adapters import launch
from budsim.core.errors import Unavailable

_LEFTOVER_DEADLINE_S = 15.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run: argv with an absolute program, where it logs, the signals that end it."""

    name: str
    argv: Sequence[str]
    log: Path
    stop_signal: signal.Signals
    death_signal: signal.Signals  # what it gets when its parent dies
    environment: Mapping[str, str] = field(default_factory=dict)
    user: tuple[int, int] = (0, 0)  # uid and gid to become, 0 to stay


class ChildProcess:
    """A running command.

    The kernel's death signal follows the *thread* that forked, so each child has a forking thread that lives as long as this object.
    """

    def __init__(self, command: Command) -> None:
        self._command = command
        self._pid_file = command.log.parent / f"{command.name}.pid"
        self._forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"{command.name}-parent")
        self._process = self._forker.submit(self._fork).result()
        self._pid_file.write_text(str(self._process.pid))

    @property
    def pid(self) -> int:
        """The operating system's process id."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Return whether it still runs."""
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, deadline_s: float) -> None:
        """Wait until the server answers; raise Unavailable if it ends before, or takes too long."""
        deadline = time.monotonic() + deadline_s
        while not ready():
            if not self.is_alive() or time.monotonic() > deadline:
                what = "did not answer in time" if self.is_alive() else f"ended with code {self._process.returncode}"
                self.kill()
                raise Unavailable(
                    f"The embedded {self._command.name} {what}: {_last_line(self._command.log)}", remedy=f"See {self._command.log}."
                )
            time.sleep(_POLL_S)

    def stop(self, *, deadline_s: float = 20.0) -> None:
        """End in order; kill after the deadline."""
        if self.is_alive():
            self._process.send_signal(self._command.stop_signal)
        try:
            self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._finish()

    def kill(self) -> None:
        """End at once, with everything it started."""
        if self.is_alive():
            _kill_family(self._process.pid)
        self._process.wait()
        self._finish()

    def _finish(self) -> None:
        self._forker.shutdown(wait=False)
        self._pid_file.unlink(missing_ok=True)

    def _fork(self) -> "subprocess.Popen[bytes]":
        command = self._command
        with command.log.open("ab") as log:
            return subprocess.Popen(
                owned(command.argv, death_signal=command.death_signal, user=command.user),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **command.environment},
                start_new_session=True,  # Ctrl-C of the terminal is the parent's to handle
            )


def owned(argv: Sequence[str], *, death_signal: signal.Signals, user: tuple[int, int] = (0, 0)) -> list[str]:
    """Return the command that runs `argv` until it ends, or until the thread that starts it ends."""
    return [sys.executable, "-I", "-S", launch.__file__, *map(str, (os.getpid(), int(death_signal), *user)), *argv]


def end_leftover(folder: Path, name: str) -> None:
    """End a server that a killed parent left on this folder; the caller owns the folder, so nobody else uses it."""
    try:
        process = psutil.Process(int((folder / f"{name}.pid").read_text()))
        if str(folder) not in " ".join(process.cmdline()):
            return  # the number belongs to another process by now
        _wait_or_kill(process)
    except (OSError, ValueError, psutil.NoSuchProcess):
        return


def _wait_or_kill(process: psutil.Process) -> None:
    try:
        process.wait(_LEFTOVER_DEADLINE_S)  # its death signal may be at work
    except psutil.TimeoutExpired:
        _kill_family(process.pid)
        process.wait(_LEFTOVER_DEADLINE_S)


def _kill_family(pid: int) -> None:
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family[1:], timeout=_LEFTOVER_DEADLINE_S)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "it logged nothing"
