"""The data folder of an embedded server: one owner at a time, and free ports for it."""

import fcntl
import secrets
import socket
from pathlib import Path
from typing import IO

from budsim.core.errors import Unavailable

_PORT_RANGE = (15_000, 32_000)  # below the kernel's ephemeral ports: no outgoing connection takes a stopped server's port


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    lowest, highest = _PORT_RANGE
    for _ in range(200):
        port = lowest + secrets.randbelow(highest - lowest)
        if port_is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def lasting_ports(folder: Path, count: int) -> tuple[int, ...]:
    """Return the ports the folder's server had before if they are free, else others, which the folder remembers."""
    file = folder / "ports"
    try:
        ports = tuple(map(int, file.read_text().split()))
    except (OSError, ValueError):
        ports = ()
    if len(ports) != count or not all(map(port_is_free, ports)):
        ports = tuple(free_port() for _ in range(count))
        file.write_text(" ".join(map(str, ports)))
    return ports


def port_is_free(port: int) -> bool:
    """Return whether 127.0.0.1:port can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def port_answers(port: int) -> bool:
    """Return whether something accepts connections on 127.0.0.1:port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


class FolderLock:
    """One owner per data folder, for as long as its process lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Lock the folder, or raise Unavailable naming it."""
        if self._file is not None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = (self._folder / "budsim.lock").open("w")
        except OSError as error:
            raise Unavailable(
                f"The data folder {self._folder} cannot be written ({error.strerror}).", remedy="Set BUDSIM_DATA_FOLDER to another folder."
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise Unavailable(
                f"Another BudSim already runs on the data folder {self._folder}.",
                remedy="Stop it, or set BUDSIM_DATA_FOLDER to another folder.",
            ) from error
        self._file = file

    def release(self) -> None:
        """Give the folder up."""
        if self._file is not None:
            self._file.close()
            self._file = None
