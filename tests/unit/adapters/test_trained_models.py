"""Model sets on disk: what their cards say is checked, and a broken model leaves the others."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from budsim.adapters.trained_models import load_model_set
from budsim.core.hardware.spec import DeviceType
from tests.support.trained import set_files, small


@cache
def files() -> dict[str, bytes]:
    return set_files()


def written(folder: Path) -> Path:
    for name, content in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def changed_card(folder: Path, **changes: object) -> None:
    path = folder / "vllm" / "cuda" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_set_is_loaded_with_its_version_and_pairs(tmp_path):
    found = load_model_set(written(tmp_path))
    assert found.problems == ()
    assert found.version.startswith("regressor-2026-01-31-")
    assert ("vllm", DeviceType.CUDA) in found.models
    assert {("vllm", DeviceType.CPU), ("vllm", DeviceType.HPU)} <= set(found.models)


def test_a_loaded_model_corrects_as_the_trained_one_told(tmp_path):
    rows = small()
    found = load_model_set(written(tmp_path)).models["vllm", DeviceType.CUDA].correct(rows.features)
    left = rows.errors - np.column_stack([found.log_ttft, found.log_tpot])
    assert np.abs(left).mean() < 0.5 * np.abs(rows.errors).mean()
    assert (found.tpot.low < found.tpot.high).all()
    assert found.nearness == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"features": ["one"]}, "features"),
        ({"xgboost": "1.7.6"}, "xgboost 1.7.6"),
        ({"sha256": {"regressor_tpot.ubj": "0" * 64}}, "regressor_tpot.ubj"),
        ({"kernels": {}}, "ttft"),
    ],
    ids=["features", "library", "digest", "kernels"],
)
def test_a_model_that_does_not_match_its_card_is_named_and_the_others_answer(tmp_path, changes, said):
    changed_card(written(tmp_path), **changes)
    found = load_model_set(tmp_path)
    assert ("vllm", DeviceType.CUDA) not in found.models
    assert ("vllm", DeviceType.CPU) in found.models
    assert len(found.problems) == 1
    assert found.problems[0].startswith("vllm/cuda: ")
    assert said in found.problems[0]


@pytest.mark.parametrize("name", ["card.json", "neighbours.npz", "regressor_ttft.ubj"], ids=str)
def test_a_file_cut_in_half_is_a_problem_not_an_error(tmp_path, name):
    path = written(tmp_path) / "vllm" / "cuda" / name
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2])
    found = load_model_set(tmp_path)
    assert [problem.split(":")[0] for problem in found.problems] == ["vllm/cuda"]


def test_an_empty_folder_is_an_empty_set(tmp_path):
    found = load_model_set(tmp_path)
    assert (found.version, dict(found.models), found.problems) == ("", {}, ())


def test_two_trainings_with_the_same_rows_seed_and_date_give_the_same_bytes():
    assert set_files() == files()


def test_a_card_says_what_it_was_trained_on_and_its_limits():
    card = json.loads(files()["vllm/cpu/card.json"])
    assert card["rows"]["own"] == {}
    assert any("leans on physics" in each for each in card["limits"])
    assert card["date"] == "2026-01-31"
    assert json.loads(files()["vllm/cuda/card.json"])["rows"]["own"] == {"closed loop, means": 96}
    assert {"configuration point", "server configuration"} <= set(card["metrics"])
