"""What `make` says when the machine lacks something: one line, before anything is changed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make_python(folder: Path, body: str) -> str:
    """An interpreter that answers as `body` says."""
    program = folder / "python-fake"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return str(program)


def install(clone: Path, python: str) -> list[str]:
    """Return what the failing installation wrote, less make's own last line."""
    done = subprocess.run(["make", "-s", "install", f"PYTHON={python}"], cwd=clone, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert done.stdout == ""
    return [line for line in done.stderr.splitlines() if not line.startswith("make")]


def test_without_a_python_the_line_says_which_one_is_needed(clone: Path) -> None:
    assert install(clone, "") == ["budsim: needs Python 3.11 or newer; install it, or call: make PYTHON=/path/to/python"]


def test_an_old_python_is_named(clone: Path) -> None:
    old = make_python(clone, "exit 1")
    assert install(clone, old) == [f"budsim: {old} is no Python 3.11 or newer; call: make PYTHON=/path/to/python"]


def test_a_python_without_venv_names_the_debian_package(clone: Path) -> None:
    body = 'case "$2" in *ensurepip*) exit 1;; *print*) echo python3.13-venv;; esac'
    bare = make_python(clone, body)
    assert install(clone, bare) == [f"budsim: {bare} lacks venv; on Debian or Ubuntu: apt install python3.13-venv"]
    assert not (clone / ".venv").exists()


def test_a_failed_installation_gives_pips_reason_and_the_log(clone: Path) -> None:
    folder = clone / ".venv" / "bin"
    folder.mkdir(parents=True)
    pip = folder / "python"
    pip.write_text('#!/bin/sh\ncase "$*" in *install*) echo "  ERROR: No matching distribution found"; exit 1;; esac\n')
    pip.chmod(0o755)
    good = make_python(clone, "exit 0")
    done = subprocess.run(["make", "-s", "install", f"PYTHON={good}"], cwd=clone, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr.splitlines()[0] == (
        "budsim: the install failed (ERROR: No matching distribution found); is a package registry reachable? All of it: .venv/install.log"
    )
    assert not (clone / ".venv" / ".installed").exists()


def test_two_makes_at_once_take_turns_and_install_once(clone: Path) -> None:
    log, folder = clone / "installs", clone / ".venv" / "bin"
    folder.mkdir(parents=True)
    pip = folder / "python"
    # the first installation goes on until both have begun, and long enough for the second to be in its way
    body = f'case "$*" in *install*) echo "$$" >>{log}; until test -e {clone}/both; do :; done; sleep 1;; esac'
    pip.write_text(f"#!/bin/sh\n{body}\n")
    pip.chmod(0o755)
    good = make_python(clone, "exit 0")
    makes = [subprocess.Popen(["make", "-s", "install", f"PYTHON={good}"], cwd=clone, stdout=subprocess.PIPE) for _ in range(2)]
    (clone / "both").touch()
    assert [make.wait(60) for make in makes] == [0, 0]
    for make in makes:
        make.communicate()
    assert len(log.read_text().splitlines()) == 1


def test_what_make_starts_may_keep_compiled_modules_whatever_the_shell_says(clone: Path) -> None:
    folder = clone / ".venv" / "bin"
    folder.mkdir(parents=True)
    python = folder / "python"
    python.write_text('#!/bin/sh\necho "${PYTHONDONTWRITEBYTECODE-unset}"\n')
    python.chmod(0o755)
    (clone / ".venv" / ".installed").touch()
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(["make", "-s", "test"], cwd=clone, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "unset\n"
