"""Every command teaches, and every error is one line with a code that means something."""

import gc
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from budsim.adapters.data_folder import free_port
from budsim.cli import packages
from budsim.cli.commands import COMMANDS, load, nothing_to_collect
from budsim.cli.main import run

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "budsim" / "cli" / "examples"
PAGE = (ROOT / "docs" / "how-to" / "commands.md").read_text(encoding="utf-8")


def leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, by its words."""
    for name, child in getattr(command, "commands", {}).items():
        yield from leaves(child, f"{path} {name}")
    if not hasattr(command, "commands"):
        yield path, command


LEAVES = {path: leaf for name in COMMANDS for path, leaf in leaves(load(name), f"budsim {name}")}


def loaded_in(script: str, folder: Path = ROOT) -> set[str]:
    """Return the modules that are loaded once a fresh process has run the script."""
    ending = "\nprint(*sys.modules, file=sys.stderr, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", f"import sys\n{script}{ending}"], cwd=folder, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines())


def loaded_by(*words: str, folder: Path) -> set[str]:
    """Return the modules that are loaded once the program has ended with these words."""
    program = f"from budsim.cli import main\nsys.argv[1:] = {list(words)}\ntry: main()\nexcept SystemExit: pass"
    return loaded_in(program, folder)


def outcome(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    """Run a command as the program does: its code, what it printed, what it complained of."""
    monkeypatch.setattr(sys, "argv", ["budsim", *words])
    with pytest.raises(SystemExit) as ended:
        run()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.mark.parametrize("path", LEAVES)
def test_each_command_shows_an_example_of_itself(path: str) -> None:
    assert re.search(rf"Example: .*\b{path}\b", LEAVES[path].help), LEAVES[path].help


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_has_the_first_line_of_each(name: str) -> None:
    assert load(name).help.split("\n\n")[0] == COMMANDS[name][1]


@pytest.mark.parametrize("words", [(), ("--help",), ("--version",)], ids=lambda words: " ".join(words) or "nothing")
def test_help_and_version_import_no_command(words: tuple[str, ...], tmp_path: Path) -> None:
    done = loaded_by(*words, folder=tmp_path)
    assert done & {"budsim.app", "budsim.config", "numpy", "pydantic", "sqlalchemy", "faust", "aiohttp"} == set()


def test_a_worker_imports_no_other_command() -> None:
    commands = {f"budsim.cli.{place.partition(':')[0]}" for place, _ in COMMANDS.values()}
    assert loaded_in("from budsim.cli.commands import load; load('worker')") & commands == {"budsim.cli.workers"}


def test_imports_are_not_searched_for_garbage_but_what_follows_is() -> None:
    with nothing_to_collect():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_the_help_has_every_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = outcome(capsys, monkeypatch, "--help")
    assert code == 0
    assert [name for name in COMMANDS if f" {name} " not in out] == []


@pytest.mark.parametrize("path", LEAVES)
def test_each_command_is_on_the_page_of_commands(path: str) -> None:
    assert f"`{path}" in PAGE


def test_the_page_names_no_command_that_is_not_there() -> None:
    named = re.findall(r"^\| `(budsim(?: [a-z]+)+)", PAGE, re.MULTILINE)
    assert [name for name in named if name not in LEAVES] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "No such command 'nonsense'. See: budsim --help"),
        (["request"], "Missing argument 'file'. See: budsim request --help"),
        (["request", "nowhere.json"], "'nowhere.json' does not exist. See: budsim request --help"),
        (["settings", "--colour"], "No such option: --colour. See: budsim settings --help"),
        (["db", "downgrade"], "Missing argument 'revision'. See: budsim db downgrade --help"),
    ],
)
def test_wrong_use_is_one_line_that_names_the_help_and_code_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = outcome(capsys, monkeypatch, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("budsim: ")
    assert said in err


def test_a_file_of_the_wrong_shape_names_its_fields_and_is_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = outcome(capsys, monkeypatch, "request", str(EXAMPLES / "cluster-a100.json"))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "pretrained_model_uri: Field required" in err
    assert "docs/how-to/send-a-request.md" in err


@pytest.mark.parametrize("words", [["request", str(EXAMPLES / "request.json")], ["dlq", "list"], ["topics", "list"]], ids=" ".join)
def test_kafka_away_is_one_line_with_the_variable_and_code_3(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDSIM_KAFKA_BOOTSTRAP", f"127.0.0.1:{free_port()}")
    code, out, err = outcome(capsys, monkeypatch, *words)
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "BUDSIM_KAFKA_BOOTSTRAP" in err


@pytest.mark.parametrize("words", [["db", "current"], ["db", "upgrade"], ["token", "create", "ci"]], ids=" ".join)
def test_postgresql_away_is_one_line_with_the_variable_and_code_3(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDSIM_DATABASE_URL", f"postgresql://u:hunter2@127.0.0.1:{free_port()}/x")
    code, out, err = outcome(capsys, monkeypatch, *words)
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "BUDSIM_DATABASE_URL" in err
    assert "hunter2" not in err


def test_a_bad_setting_is_one_line_with_its_name_and_code_2(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDSIM_PORT", "many")
    code, out, err = outcome(capsys, monkeypatch, "web")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "BUDSIM_PORT = 'many'" in err


def test_nobody_waits_for_feedback_that_names_no_workflow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "feedback.json"
    file.write_text('{"config_id": "0a5c3a2e-7f43-4f0e-9d53-2d7e5a3f3b10", "failed": true}')
    code, out, err = outcome(capsys, monkeypatch, "feedback", str(file), "--wait")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "workflow_id is missing" in err


def simulate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, request: Path, *words: str) -> tuple[int, str, str]:
    monkeypatch.setenv("BUDSIM_HUB_ENABLED", "false")
    return outcome(capsys, monkeypatch, "simulate", str(request), "--clusters", str(EXAMPLES / "cluster-a100.json"), *words)


def test_simulate_prints_tables_or_pure_json_and_code_0(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = simulate(capsys, monkeypatch, EXAMPLES / "request.json")
    assert (code, err) == (0, "")
    assert "1. a100-cluster: " in out
    code, out, err = simulate(capsys, monkeypatch, EXAMPLES / "request.json", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["status"] == "completed"


def test_a_failed_answer_is_told_with_its_remedy_and_code_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unknown = tmp_path / "request.json"
    unknown.write_text((EXAMPLES / "request.json").read_text().replace("Llama-3.1-8B-Instruct", "Llama-[9]-9B"))
    code, out, _ = simulate(capsys, monkeypatch, unknown)
    assert code == 1
    assert "failed: pretrained_model_uri 'meta-llama/Llama-[9]-9B' is in no source" in out
    assert "remedy: did you mean: " in out


def test_going_back_asks_first_and_does_nothing_without_an_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO())
    monkeypatch.setenv("BUDSIM_DATABASE_URL", f"postgresql://u@127.0.0.1:{free_port()}/x")
    code, _, err = outcome(capsys, monkeypatch, "db", "downgrade", "base")
    assert (code, err.strip().splitlines()[-1]) == (1, "budsim: nothing was done")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = outcome(capsys, monkeypatch, "--version")
    assert (code, out.split()[0]) == (0, "budsim")


@pytest.fixture
def shadowed(tmp_path: Path) -> dict[str, str]:
    """An environment in which Python finds another package «topics» first."""
    (tmp_path / "topics").mkdir()
    (tmp_path / "topics" / "__init__.py").touch()
    return os.environ | {"PYTHONPATH": str(tmp_path)}


def program(*words: str, environment: dict[str, str], folder: Path) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-P", "-m", "budsim.cli", *words]
    return subprocess.run(argv, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_a_package_that_shadows_ours_ends_any_command_with_one_line(shadowed: dict[str, str], tmp_path: Path) -> None:
    done = program("topics", "list", environment=shadowed, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (packages.EXIT_CODE, "", 1)
    assert done.stderr.startswith(f"budsim: the package «topics» is found in {tmp_path / 'topics'}, not in ")


def test_the_doctor_names_a_package_that_shadows_ours(shadowed: dict[str, str], tmp_path: Path) -> None:
    done = program("doctor", "--json", environment=shadowed, folder=tmp_path)
    assert done.returncode == 1
    rows = {row["check"]: (row["state"], row["found"]) for row in json.loads(done.stdout)}
    assert rows["package topics"] == ("wrong", f"found in {tmp_path / 'topics'}, which is not ours. Uninstall or move the other one.")
    assert rows["package agents"] == ("ok", "ours")


def test_a_folder_where_the_user_stands_shadows_nothing(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "__init__.py").touch()
    done = program("--version", environment=dict(os.environ), folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_libraries_log_does_not_surround_the_one_line(tmp_path: Path) -> None:
    done = program("topics", "list", environment=os.environ | {"BUDSIM_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}"}, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)


def diagnosis(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, dict[str, tuple[str, str]]]:
    code, out, _ = outcome(capsys, monkeypatch, "doctor", "--json")
    return code, {row["check"]: (row["state"], row["found"]) for row in json.loads(out)}


def test_the_doctor_says_what_is_away_and_goes_on(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDSIM_KAFKA_BOOTSTRAP", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("BUDSIM_DATABASE_URL", f"postgresql://u@127.0.0.1:{free_port()}/x")
    monkeypatch.setenv("BUDSIM_MODEL_REGISTRY_DIR", "/nowhere/models")
    monkeypatch.setenv("BUDSIM_DEADLIN_S", "5")
    code, rows = diagnosis(capsys, monkeypatch)
    assert code == 1
    assert {name: rows[name][0] for name in ("kafka", "topics", "postgresql", "migrations", "model registry", "settings")} == dict.fromkeys(
        ("kafka", "topics", "postgresql", "migrations", "model registry", "settings"), "wrong"
    )
    assert rows["settings"][1] == "BUDSIM_DEADLIN_S is no setting, did you mean BUDSIM_DEADLINE_S?"
    assert rows["model registry"][1] == "BUDSIM_MODEL_REGISTRY_DIR = /nowhere/models is no folder"
    assert (rows["package agents"], rows["model catalogue"][0]) == (("ok", "ours"), "ok")


def test_the_doctor_tells_a_bad_setting_and_what_does_not_need_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDSIM_POOL_SIZE", "0")
    code, rows = diagnosis(capsys, monkeypatch)
    assert code == 1
    assert rows["settings"][0] == "wrong"
    assert "BUDSIM_POOL_SIZE = '0'" in rows["settings"][1]
    assert rows["package tables"] == ("ok", "ours")


def test_no_command_pays_for_the_trained_models_before_it_needs_them() -> None:
    script = "from budsim.cli.commands import COMMANDS, load; [load(name) for name in COMMANDS]"
    assert loaded_in(f"{script}; import budsim.cli.main") & {"xgboost", "scipy.sparse", "pandas", "alembic"} == set()
