"""`budsim up` and `budsim demo` as a user runs them: what they print, keep and leave behind."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs import ROOT, Program, blocks, nothing_is_left, processes_of, program_folder

README = ROOT / "README.md"


@pytest.fixture
def folder() -> Iterator[Path]:
    with program_folder() as made:
        yield made


def shell(script: str, env_file: str) -> "subprocess.CompletedProcess[str]":
    """Run a script as a reader does: `budsim` on the path, the file of addresses sourced."""
    line = f"set -eu\nbudsim() {{ '{sys.executable}' -P -m budsim.cli \"$@\"; }}\n. '{env_file}'\n{script}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BUDSIM_")}
    return subprocess.run(
        ["bash", "-c", line],
        cwd=ROOT,
        env=kept | {"BUDSIM_HUB_ENABLED": "false"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def addresses(said: str) -> tuple[str, str]:
    """Return the web view's address and the file to be sourced."""
    web, file = re.search(r"web +(http://\S+)/", said), re.search(r"in another shell: +\. (\S+)", said)
    assert web
    assert file
    return web[1], file[1]


def start(folder: Path) -> tuple[Program, str, str]:
    program = Program(folder, "up", BUDSIM_DATA_FOLDER=str(folder / "data"), BUDSIM_PORT="0")
    return program, *addresses(program.until("Ctrl-C ends all"))


@pytest.mark.chaos
def test_up_answers_what_the_readme_shows_keeps_its_data_over_a_stop_and_leaves_nothing_when_killed(folder: Path) -> None:
    program, web, file = start(folder)
    assert blocks(README)
    for block in blocks(README):
        done = shell(block.replace("http://127.0.0.1:8080", web), file)
        assert done.returncode == 0, block + done.stdout + done.stderr
    ask = "budsim request budsim/cli/examples/request.json --json"
    answer = json.loads(shell(ask, file).stdout)
    assert answer["status"] == "completed"

    second = Program(folder / "data", "up", BUDSIM_DATA_FOLDER=str(folder / "data"), BUDSIM_PORT="0")
    assert second.process.wait(120) == 3
    assert second.said.count("\n") == 1
    assert second.said.startswith(f"budsim: Another BudSim already runs on the data folder {folder / 'data'}. Stop it, or set ")

    assert program.end(signal.SIGINT) == 0
    assert program.said.endswith("all has ended; the data are kept\n")
    assert not Path(file).exists()
    nothing_is_left(folder)

    program, web, file = start(folder)
    read = f'curl -sf -H "Authorization: Bearer $(budsim token create again)" {web}/workflow/{answer["workflow_id"]}'
    done = shell(read, file)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "COMPLETED"
    assert processes_of(folder)
    assert program.end(signal.SIGKILL) == -signal.SIGKILL
    nothing_is_left(folder)


@pytest.mark.chaos
def test_a_demo_that_a_signal_ends_says_so_in_one_line_and_leaves_nothing(folder: Path) -> None:
    number = signal.SIGTERM  # tests/unit/cli/test_ending.py shows each signal; `up`, above, ends by SIGINT
    program = Program(folder, "demo")
    before = program.until("reported cluster l40s-cluster")
    assert program.end(number) == 128 + number
    assert program.said.removeprefix(before).endswith(
        f"budsim: the demonstration was ended by {number.name} before it was done; nothing of it is left running\n"
    )
    assert "Traceback" not in program.said
    nothing_is_left(folder)
    assert list(folder.glob("budsim-demo-*")) == []


@pytest.mark.chaos
def test_the_demo_prints_what_the_readme_says_and_leaves_nothing(folder: Path) -> None:
    program = Program(folder, "demo")
    assert program.process.wait(400) == 0, program.said
    told = [
        "reported cluster a100-cluster on clusters.v1",
        "a request as a Kafka event",
        "recommendations.v1 answered workflow",
        "1. l40s-cluster: ",
        "2. a100-cluster: ",
        "simulation_results in PostgreSQL",
        "feedback: the recommended configuration ran out of memory",
        "feedback applied to ",
        "the same request again",
        " out because feedback said it failed",
    ]
    places = [program.said.find(line) for line in told]
    assert places == sorted(places)
    assert -1 not in places
    assert all(line in README.read_text(encoding="utf-8") for line in told)
    nothing_is_left(folder)
    assert list(folder.glob("budsim-demo-*")) == []
