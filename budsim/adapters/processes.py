"""Child processes that die with their parent, and ports."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from budsim.core.errors import Unavailable

PR_SET_PDEATHSIG = 1
STOP_S = 10.0
POLL_S = 0.05


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class ChildProcess:
    """One program, its output in a file; it ends when this process ends."""

    def __init__(self, arguments: list[str], *, log: Path, account: str | None = None, env: dict[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                arguments,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                user=account,
                env=env,
                preexec_fn=_die_with_parent,
                start_new_session=True,
                cwd=log.parent,
            )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    def interrupt(self, number: int = signal.SIGINT, *, deadline_s: float = STOP_S) -> None:
        """Ask it to end; kill it when it does not in time."""
        if self.running:
            self._popen.send_signal(number)
            try:
                self._popen.wait(deadline_s)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it at once, with whatever it started."""
        if self.running:
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def tail(self) -> str:
        """Return the last line of its output."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return lines[-1] if lines else ""


def wait_for_port(port: int, process: ChildProcess, *, deadline_s: float, name: str) -> None:
    """Return when somebody listens; raise Unavailable when the process ends or the time is up."""
    until_s = time.monotonic() + deadline_s
    while time.monotonic() < until_s:
        if not process.running:
            break
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1.0):
                return
        except OSError:
            time.sleep(POLL_S)
    process.kill()
    raise Unavailable(f"{name} did not start on port {port}: {process.tail()}", remedy=f"see {process.log}")


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
