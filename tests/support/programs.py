"""`budsim` as a user starts it: a process of its own, with what it prints and what it leaves behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.waiting import wait_until_blocking

ROOT = Path(__file__).resolve().parents[2]
START_S = 240.0  # servers and workers on a busy machine


class Program:
    """A started `budsim`."""

    def __init__(self, folder: Path, *words: str, **environment: str) -> None:
        self._log = folder / f"{words[0]}.out"
        self._log.write_text("")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BUDSIM_")}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "budsim.cli", *words],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=kept | {"TMPDIR": str(folder), "BUDSIM_HUB_ENABLED": "false", **environment},
                cwd=ROOT,
            )

    @property
    def said(self) -> str:
        """What it printed so far."""
        return self._log.read_text()

    def until(self, words: str) -> str:
        """Wait until it prints these words; return all it said."""

        def there() -> bool:
            assert words in self.said or self.process.poll() is None, self.said
            return words in self.said

        wait_until_blocking(there, START_S, what=f"«{words}» is printed")
        return self.said

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of all processes that name the folder in it or in their environment."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        try:
            words = " ".join([*(process.info["cmdline"] or []), *process.environ().values()])
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if str(folder) in words and process.info["status"] != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
            found.append(" ".join(process.info["cmdline"] or []))
    return found


def nothing_is_left(folder: Path) -> None:
    """Wait until no process of the folder is left."""
    wait_until_blocking(lambda: not processes_of(folder), 30, what=f"no process of {folder} is left")


@contextmanager
def program_folder() -> Iterator[Path]:
    """Yield a folder that the embedded PostgreSQL's own user may walk into."""
    folder = Path(tempfile.mkdtemp(prefix="budsim-program-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def blocks(page: Path) -> list[str]:
    """Return the shell blocks of a page that a reader is meant to run on a started BudSim."""
    return re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
