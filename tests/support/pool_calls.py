"""What the tests of the process pool have computed: a module of its own, so that a child loads nothing else."""

import os
import signal
from pathlib import Path

from budsim.core.errors import DoesNotFit
from tests.support.waiting import wait_until_blocking

SLOW_S = 60.0  # the machine may be busy
WARMED: list[str] = []


def kill_yourself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def pid_when_told(gate: str) -> int:
    """Compute until the file appears."""
    wait_until_blocking(lambda: Path(gate).exists(), 2 * SLOW_S, what=gate)
    return os.getpid()


def announce_and_hang(announcement: str) -> None:
    Path(announcement).write_text(str(os.getpid()))
    wait_until_blocking(lambda: False, 10 * SLOW_S)


def refuse(needed_bytes: int) -> None:
    raise DoesNotFit(f"{needed_bytes} bytes are too many.", param="memory", remedy="Take more devices.")


def warm_up() -> None:
    WARMED.append("yes")


def what_was_warmed() -> tuple[list[str], str]:
    return WARMED, os.environ["OMP_NUM_THREADS"]


def let_the_first_warm_slowly() -> None:
    """Warm at once, but in the first process only when the gate is open."""
    gate = Path(os.environ["POOL_GATE"])
    try:
        gate.with_name("first").touch(exist_ok=False)
    except FileExistsError:
        return
    wait_until_blocking(gate.exists, 2 * SLOW_S)


def warm_at_the_second_try() -> None:
    first = Path(os.environ["POOL_GATE"])
    if not first.exists():
        first.touch()
        refuse(1)


def fail_to_warm() -> None:
    refuse(1)
