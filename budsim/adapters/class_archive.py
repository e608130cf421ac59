"""Classes of a Java program kept ready between its runs: with them it starts in about half the time."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path

_KEPT: Final = 2  # archives of the installations used last; one has some 50 MB


class ClassArchive:
    """The archive of one installed Java and one class path.

    The first run writes it as it ends in order; what takes its place in the cache is always a whole file, for runs may overlap. Java
    leaves an archive aside that does not suit it, and a cache that cannot be written costs nothing but the time.
    """

    def __init__(self, java: Sequence[str], *, cache: Path | None = None) -> None:
        """Name the archive.

        Args:
            java: Program, options and class path of every run.
            cache: Folder of archives.
        """
        installed = str(Path(java[0]).stat().st_mtime_ns)
        name = hashlib.sha256("\0".join((installed, *java)).encode()).hexdigest()[:16]
        self._cache = cache or user_cache_path("budsim") / "classes"
        self._archive = self._cache / f"{name}.jsa"

    def options(self, written: Path) -> list[str]:
        """Return the options of a run: to use the archive, or to write it to this file at its end."""
        if self._archive.exists():
            return ["-Xshare:auto", f"-XX:SharedArchiveFile={self._archive}"]
        return [f"-XX:ArchiveClassesAtExit={written}"]

    def keep(self, written: Path) -> None:
        """Keep what an ended run has written, if it has, and drop the archives that were written long ago."""
        if not written.exists():
            return
        with contextlib.suppress(OSError):
            self._cache.mkdir(parents=True, exist_ok=True)
            fresh = self._archive.with_suffix(f".{os.getpid()}")
            shutil.move(written, fresh)
            fresh.replace(self._archive)
            others = sorted(self._cache.glob("*.jsa"), key=lambda each: each.stat().st_mtime, reverse=True)
            for old in others[_KEPT:]:
                old.unlink(missing_ok=True)
