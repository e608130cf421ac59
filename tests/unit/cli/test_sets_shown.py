"""What the doctor and `budsim models list` say of the model sets on disk."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from budsim.cli.checks import Check, State
from budsim.cli.main import app
from budsim.cli.set_checks import set_checks
from budsim.config import SHIPPED_MODELS, load_settings
from tests.support.card_files import write_card
from tests.support.set_folders import break_pair, copied_set

SCORES = {"all pairs": {"E2E": {"mape": 0.2}}, "vllm on cuda": {"E2E": {"mape": 0.055}}}


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch):
    def found(**variables: object) -> dict[str, Check]:
        for name, value in variables.items():
            monkeypatch.setenv(f"BUDSIM_{name}", str(value))
        return {check.check: check for check in set_checks(load_settings())}

    return found


def shown(monkeypatch: pytest.MonkeyPatch, *words: str, **variables: object) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(f"BUDSIM_{name}", str(value))
    return CliRunner().invoke(app, ["models", "list", *words], catch_exceptions=False).output


def test_the_set_that_ships_can_be_used_whole(checks) -> None:
    check = checks()["model set"]
    assert check.state is State.OK
    for pair in ("vllm/cuda", "vllm/cpu", "vllm/hpu", "sglang/cuda"):
        assert pair in check.found


def test_a_broken_model_is_wrong_with_its_reason_and_names_what_can_still_be_used(checks, tmp_path: Path) -> None:
    check = checks(PRETRAINED_MODELS_DIR=break_pair(copied_set(tmp_path / "set"), "vllm/cuda"))["model set"]
    assert check.state is State.WRONG
    problem, usable = check.found.split("Usable: ")
    assert "vllm/cuda: " in problem
    assert "sglang/cuda" in usable
    assert "vllm/cuda" not in usable


def test_a_set_whose_cards_are_of_two_versions_is_wrong_and_names_who_has_which(checks, tmp_path: Path) -> None:
    folder = copied_set(tmp_path / "set", version="7")
    card = folder / "sglang" / "rocm" / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text(encoding="utf-8")) | {"version": "8"}), encoding="utf-8")
    check = checks(PRETRAINED_MODELS_DIR=folder)["model set"]
    assert check.state is State.WRONG
    assert "vllm/rocm) and 8 (sglang/rocm)" in check.found
    assert "start the workers again" in check.found


def test_a_set_with_a_card_that_cannot_be_read_beside_others_is_wrong(checks, tmp_path: Path) -> None:
    folder = copied_set(tmp_path / "set", version="7")
    (folder / "vllm" / "cuda" / "card.json").write_text("{", encoding="utf-8")
    check = checks(PRETRAINED_MODELS_DIR=folder)["model set"]
    assert check.state is State.WRONG
    assert "vllm/cuda: " in check.found


def test_a_folder_without_models_is_wrong_only_where_it_was_named(checks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks(PRETRAINED_MODELS_DIR=tmp_path)["model set"].state is State.WRONG
    monkeypatch.delenv("BUDSIM_PRETRAINED_MODELS_DIR")
    assert checks(SHADOW_MODELS=tmp_path / "nowhere")["second model set"].state is State.WRONG
    assert checks(MODEL_SETS_DIR=tmp_path / "nowhere")["further model sets"].state is State.WRONG


def test_every_set_has_its_row(checks, tmp_path: Path) -> None:
    write_card(tmp_path / "more" / "third", "vllm/cuda", version="3")
    found = checks(SHADOW_MODELS=copied_set(tmp_path / "second", version="2"), MODEL_SETS_DIR=tmp_path / "more")
    assert found.keys() == {"model set", "second model set", "model set third"}
    assert found["second model set"].found.startswith("2: ")
    assert found["model set third"].state is State.WRONG  # a card alone is no model


def test_the_list_shows_version_pair_runs_day_and_errors_on_unseen_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = {"model": SCORES, "device": {"all pairs": {"E2E": {"mape": 0.21}}}}
    rows = {"own": {"closed loop, means": 700, "static batch": 23}}
    write_card(tmp_path, "vllm/cuda", version="7", date="2026-05-17", rows=rows, metrics=metrics)
    (model,) = json.loads(shown(monkeypatch, "--json", PRETRAINED_MODELS_DIR=tmp_path))
    assert (model["version"], model["role"], model["engine"], model["device_type"], model["date"]) == (
        "7",
        "first",
        "vllm",
        "cuda",
        "2026-05-17",
    )
    assert (model["runs"], model["metrics"]) == (rows["own"], metrics)
    assert model["problem"]
    table = " ".join(shown(monkeypatch).split())
    for text in ("723", "model 5.5%", "device 21.0%"):
        assert text in table


def test_the_shipped_models_have_no_problem_and_fit_their_place() -> None:
    found = json.loads(CliRunner().invoke(app, ["models", "list", "--json"], catch_exceptions=False).output)
    assert {model["problem"] for model in found} == {""}
    assert len({model["version"] for model in found}) == 1
    assert sum(file.stat().st_size for file in SHIPPED_MODELS.rglob("*") if file.is_file()) < 10e6


def test_without_a_set_the_list_says_who_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the heuristic answers" in shown(monkeypatch, PRETRAINED_MODELS_DIR=tmp_path)
