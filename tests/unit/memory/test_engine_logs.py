"""The memory model against what vLLM and SGLang printed when they started; see docs/how-to/memory.md."""

import statistics

import pytest

from benchmarks.memory import compare, logs
from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.spec import DeviceType

LOGS = logs()
CHECKED = [compare(row) for row in LOGS if row["half"] == "check"]


def test_sixty_start_ups_of_both_engines_and_vendors_are_collected_with_their_sources():
    assert len(LOGS) >= 60
    assert {catalogue()[row["device"]].device_type for row in LOGS} == {DeviceType.CUDA, DeviceType.ROCM}
    assert {row["engine"] for row in LOGS} == {"vllm", "sglang"}
    assert all(row["source"] for row in LOGS)


@pytest.mark.parametrize("row", [row for row in LOGS if row["half"] == "calibration"], ids=lambda row: f"{row['model']}-{row['tp']}")
def test_a_calibrated_start_up_is_met_within_half_a_gib_or_three_percent(row):
    assert compare(row).near


def test_nine_in_ten_of_the_other_half_are_met_as_well():
    assert sum(each.near for each in CHECKED) >= 0.9 * len(CHECKED)
    assert statistics.median(abs(each.error_gib) for each in CHECKED if each.error_gib is not None) < 0.15


@pytest.mark.parametrize("row", [row for row in LOGS if row["weights_gib"]], ids=lambda row: f"{row['model']}-{row['tp']}-{row['version']}")
def test_weights_are_those_that_were_loaded(row):
    from benchmarks.memory import answer, question

    found = answer(question(row)).weights_gib
    assert found == pytest.approx(float(row["weights_gib"]), rel=0.03, abs=0.35)
