"""`budsim simulate --sweep`: what is asked for, and the curve as a table, as JSON and drawn."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from budsim.cli import examples
from budsim.cli.main import run
from budsim.cli.sweep import sweep_plan
from budsim.core.errors import InvalidInput
from budsim.services.sweep import Axis

EXAMPLES = Path(next(iter(examples.__path__)))


@pytest.fixture
def simulate(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("BUDSIM_HUB_ENABLED", "false")
    monkeypatch.chdir(tmp_path)

    def tell(*words):
        command = ["budsim", "simulate", str(EXAMPLES / "request.json"), "--clusters", str(EXAMPLES / "cluster-a100.json"), *words]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            run()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return tell


@pytest.mark.parametrize(
    ("text", "axis", "values"),
    [
        ("concurrency=1..512:10", Axis.CONCURRENCY, (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)),
        ("concurrency=4..4", Axis.CONCURRENCY, (4,)),
        ("input_tokens=8192,128,1024,128", Axis.INPUT_TOKENS, (128, 1024, 8192)),
        (" output_tokens=10..1000:3 ", Axis.OUTPUT_TOKENS, (10, 100, 1000)),
    ],
)
def test_a_sweep_is_a_range_of_constant_ratio_or_a_list(text, axis, values):
    plan = sweep_plan(text)
    assert (plan.axis, plan.values) == (axis, values)


def test_a_range_begins_and_ends_where_it_says():
    values = sweep_plan("concurrency=3..500").values
    assert (values[0], values[-1]) == (3, 500)
    assert 20 <= len(values) <= 24


@pytest.mark.parametrize(
    "text",
    [
        "",
        "concurrency",
        "concurrency=512..1",
        "concurrency=0..9",
        "concurrency=1..100001",
        "users=1..9",
        "concurrency=1..9:1",
        "input_tokens=0",
    ],
)
def test_what_cannot_be_swept_is_named_with_what_can(text):
    with pytest.raises(InvalidInput, match="cannot be") as told:
        sweep_plan(text)
    assert told.value.param == "sweep"
    assert told.value.remedy


def test_the_curve_is_json_in_the_units_of_the_wire_and_drawn_as_svg(simulate, tmp_path):
    code, out, _ = simulate("--sweep", "concurrency=1,8,64,512", "--json", "--plot", "curve.svg")
    found = json.loads(out)
    assert code == 0
    assert [point["concurrency"] for point in found["points"]] == [1, 8, 64, 512]
    assert all(point["ttft"] / 1000 < point["e2e_latency"] for point in found["points"] if point["carried"])
    assert found["knee"] in (8, 64)
    text = "".join(ElementTree.parse(tmp_path / "curve.svg").getroot().itertext())  # we wrote it
    assert all(title in text for title in ("TTFT [ms]", "E2E latency [s]", "output tokens/s", "$ per 10⁶ output tokens"))


def test_the_table_marks_the_knee(simulate):
    code, out, _ = simulate("--sweep", "concurrency=1..128:8")
    assert code == 0
    assert "knee at" in out
    assert "sweep of concurrency" in out


def test_a_curve_without_a_point_is_a_bad_answer(simulate):
    code, out, _ = simulate("--sweep", "concurrency=99999")
    assert code == 1
    assert "not carried" in out


def test_what_draws_is_optional_and_its_absence_is_told_with_the_remedy(simulate, monkeypatch):
    monkeypatch.setitem(sys.modules, "leather", None)
    code, out, err = simulate("--sweep", "concurrency=1,8", "--plot", "curve.svg")
    assert (code, out) == (2, "")
    assert "leather, which is not installed" in err
    assert "pip install 'budsim[plot]'" in err


def test_a_plot_of_nothing_is_wrong_use(simulate):
    code, _, err = simulate("--plot", "curve.svg")
    assert code == 2
    assert "--plot curve.svg without --sweep" in err
