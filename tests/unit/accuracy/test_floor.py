"""What a row says of itself: answers that ended early, and devices that take turns."""

import numpy as np
import pytest

from budsim.services.accuracy.floor import decode_floor_s
from budsim.services.accuracy.rows import read_row
from budsim.services.accuracy.runs import run_of
from budsim.services.accuracy.score import ABOVE_FLOOR, BELOW_FLOOR, Metric, accuracy_of
from budsim.services.accuracy.shapes import models_of
from budsim.services.calibration.observe import offline_observations
from tests.support.measured_rows import DEEPSEEK_SHAPE, LLAMA_SHAPE, row
from tests.unit.accuracy.test_predicted_rows import outcomes, predicted
from tests.unit.calibration.test_modes import SHARES, closed

MODELS = models_of([LLAMA_SHAPE, DEEPSEEK_SHAPE])
BATCH = {"load_mode": "static_batch", "mean_ttft_ms": "", "mean_tpot_ms": ""}


def floor_s(**changes):
    return decode_floor_s(run_of(read_row(row(**changes)), MODELS))


def test_no_token_comes_before_the_weights_are_read():
    # 6.98e9 fp8 weights of the layers and 0.53e9 16-bit ones of the head: 8.03 GB at 3.35 TB/s, 199 times
    assert floor_s() == pytest.approx(199 * 8.03e9 / 3.35e12, rel=0.01)
    assert floor_s(tp="2") == pytest.approx(floor_s() / 2)
    assert floor_s(output_tokens="1") == 0.0


def test_of_experts_only_those_of_one_token_are_surely_read():
    # of DeepSeek-V3 some 37e9 of 671e9 weights
    assert 36e9 < floor_s(model="deepseek-ai/DeepSeek-V3") / 199 * 3.35e12 < 40e9


def test_a_run_that_is_faster_than_that_is_scored_apart():
    early, whole = row(**BATCH, mean_e2e_s="0.1"), row(**BATCH, mean_e2e_s="2.0")
    found = accuracy_of(outcomes(early, whole))
    groups = {group.name: group.scores[Metric.E2E] for group in found.groups}
    assert (groups["all"].rows, groups[BELOW_FLOOR].rows, groups[ABOVE_FLOOR].rows) == (2, 1, 1)
    assert groups[ABOVE_FLOOR].mape < groups["all"].mape < groups[BELOW_FLOOR].mape
    assert BELOW_FLOOR not in {group.name for group in accuracy_of(outcomes(whole)).groups}


def test_speculation_may_be_faster():
    (outcome,) = outcomes(row(**BATCH, mean_e2e_s="0.1", spec_decode="mtp"))
    assert not outcome.below_floor


def test_a_run_that_ended_early_teaches_nothing():
    rows = [read_row(row(**BATCH, mean_e2e_s=e2e)) for e2e in ("0.1", "2.0")]
    observed = offline_observations(rows, MODELS, SHARES, closed())
    assert observed.measured_s[:, 2] == pytest.approx(np.array([2.0]))


def test_devices_of_llama_cpp_take_turns():
    one, four = (predicted(**BATCH, engine="llama.cpp", tp=split).e2e_s.mean for split in ("1", "4"))
    assert four == one
    assert predicted(**BATCH, tp="4").e2e_s.mean < predicted(**BATCH, tp="1").e2e_s.mean
