"""The wheel holds everything the programs need: it runs outside the checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from budsim.adapters.data_folder import free_port

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("budsim", "agents", "topics", "tables", "pretrained_models")


def tracked(*names: str) -> list[str]:
    done = subprocess.run(["git", "ls-files", *names], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (ROOT / name).exists()]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    script = f"from setuptools.build_meta import build_wheel; print(build_wheel({str(folder)!r}, {{}}))"
    sources = folder / "sources"
    tracked = subprocess.run(
        ["git", "ls-files", *PACKAGES, "pyproject.toml", "README.md"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in tracked.stdout.splitlines():  # a copy: setuptools leaves a build folder, and would take in what an earlier one left
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run([sys.executable, "-c", script], cwd=sources, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(folder / done.stdout.splitlines()[-1]) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def run(site: Path, folder: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    given = os.environ | {"PYTHONPATH": str(site), "BUDSIM_HUB_ENABLED": "false", **environment}
    argv = [sys.executable, "-P", "-m", "budsim.cli", *words]
    return subprocess.run(argv, cwd=folder, env=given, capture_output=True, text=True, check=False, timeout=240)


def test_whatever_is_tracked_in_our_packages_is_in_the_wheel(unpacked: Path) -> None:
    ours = tracked(*PACKAGES)
    assert len(ours) > 100
    assert [name for name in ours if not (unpacked / name).is_file()] == []


def test_an_installed_budsim_simulates_outside_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    examples = unpacked / "budsim" / "cli" / "examples"
    done = run(unpacked, tmp_path, "simulate", str(examples / "request.json"), "--clusters", str(examples / "cluster-a100.json"), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["status"] == "completed"


def test_the_doctor_of_an_installed_budsim_finds_its_own_packages_catalogue_models_and_migrations(unpacked: Path, tmp_path: Path) -> None:
    away = {"BUDSIM_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}", "BUDSIM_DATABASE_URL": f"postgresql://u@127.0.0.1:{free_port()}/x"}
    done = run(unpacked, tmp_path, "doctor", "--json", **away)
    rows = {row["check"]: row["state"] for row in json.loads(done.stdout)}
    assert (rows["model catalogue"], rows["model set"]) == ("ok", "ok")
    assert {name for name, state in rows.items() if state == "wrong"} == {"kafka", "topics", "postgresql", "migrations"}
