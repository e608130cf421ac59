"""What feedback observed, in the columns of the training data: read back, it is the run that was observed."""

from dataclasses import replace

import pytest

from budsim.core.engines.candidates import Candidate
from budsim.core.model.catalogue import catalogue, catalogue_model
from budsim.core.model.quantize import METHODS, quantize
from budsim.core.model.spec import Precision, Quantization
from budsim.services.accuracy.rows import read_row
from budsim.services.accuracy.runs import run_of
from budsim.services.observations import COLUMNS, measured_row
from tests.support.observation_values import CANDIDATE, make_observation


def test_a_row_has_every_column_and_says_where_it_is_from():
    row = measured_row(make_observation())
    assert tuple(row) == COLUMNS
    assert (row["source"], row["load_mode"], row["date"]) == ("feedback", "closed_loop", "2026-05-17")
    assert (row["model"], row["hardware"], row["device_type"]) == ("meta-llama/Llama-3.1-8B", "A100-SXM-80GB", "cuda")


def test_tpot_follows_from_ttft_and_e2e():
    # (4.4 − 0.4) s over the 100 tokens after the first
    row = measured_row(make_observation())
    assert (row["mean_ttft_ms"], row["mean_tpot_ms"], row["mean_e2e_s"], row["output_tps_per_user"]) == ("400", "40", "4.4", "20")
    assert row["output_tps_total"] == "640"  # 32 users of 20 tokens/s
    assert "DERIVED by identity: tpot" in row["notes"]


def test_a_throughput_alone_gives_e2e_by_identity():
    row = measured_row(make_observation(e2e_s=None))  # 101 tokens at 20/s
    assert (row["mean_e2e_s"], row["mean_tpot_ms"]) == ("5.05", "46.5")
    assert "DERIVED by identity: e2e" in row["notes"]


@pytest.mark.parametrize(
    "missing",
    [{"ttft_s": None}, {"e2e_s": None, "throughput_per_user": None}, {"output_tokens": 1}, {"ttft_s": 4.4}],
    ids=["no ttft", "no e2e", "one token", "no time after the first"],
)
def test_what_was_not_observed_stays_empty(missing):
    assert measured_row(make_observation(**missing))["mean_tpot_ms"] == ""


def test_users_that_were_not_told_are_the_planned_ones_and_the_row_says_so():
    told, silent = measured_row(make_observation(concurrency=30)), measured_row(make_observation(concurrency=None))
    assert (told["concurrency"], silent["concurrency"]) == ("30", "32")
    assert "concurrency as planned" in silent["notes"]
    assert "concurrency as planned" not in told["notes"]


def test_a_row_read_back_is_the_run_that_was_observed():
    row = read_row(measured_row(make_observation()))
    run = run_of(row, {})
    assert run.candidate == CANDIDATE
    assert (run.scenario.device.name, run.scenario.engine.served_by, run.scenario.engine.version) == ("A100-SXM-80GB", "vllm", "0.11.2")
    assert run.scenario.model == catalogue_model("meta-llama/Llama-3.1-8B")
    assert (run.scenario.workload.input_tokens, run.scenario.workload.output_tokens, run.scenario.workload.concurrency) == (1000, 101, 32)
    assert (row.measured.ttft_s, row.measured.tpot_s, row.measured.e2e_s) == pytest.approx((0.4, 0.04, 4.4))
    assert row.measured.throughput_per_user == pytest.approx(101 / 4.4)


def kv_in_8_bits() -> Candidate:
    return replace(CANDIDATE, kv_precision=Precision.FP8)


@pytest.mark.parametrize("method", sorted({found.method for found in METHODS.values()} & set(METHODS)))
def test_each_weight_format_is_read_back_as_it_was(method):
    quantization = METHODS[method]
    run = run_of(read_row(measured_row(make_observation(quantization=quantization, candidate=kv_in_8_bits()))), {})
    model = catalogue_model("meta-llama/Llama-3.1-8B")
    assert model is not None
    expected = quantize(model, method).quantization
    assert expected is not None
    assert run.scenario.model.quantization == replace(expected, activation=run.scenario.model.quantization.activation)
    assert run.candidate.kv_precision is Precision.FP8


def test_every_format_of_the_catalogue_has_a_name_that_is_read_back():
    formats = {model.quantization for model in catalogue().values() if model.quantization}
    assert len(formats) > 5
    names = {measured_row(make_observation(quantization=found))["weight_precision"] for found in formats}
    assert names - set(METHODS) == set()
    odd = Quantization(method="compressed-tensors", weight_bits=8, activation=Precision.FP8)
    assert measured_row(make_observation(quantization=odd))["weight_precision"] == "fp8"


def test_rows_of_one_config_point_share_a_group_whatever_was_seen():
    group = measured_row(make_observation())["group_id"]
    assert measured_row(make_observation(ttft_s=0.9, e2e_s=9.0))["group_id"] == group
    assert len(group) == 10
    for change in ({"concurrency": 16}, {"hardware": "L40S-48GB"}, {"engine_version": "0.15.1"}, {"candidate": kv_in_8_bits()}):
        assert measured_row(make_observation(**change))["group_id"] != group


def test_a_slice_of_a_shared_device_is_flagged():
    assert "slice of a shared device" in measured_row(make_observation(hardware_mode="shared"))["flags"]
    assert "slice" not in measured_row(make_observation())["flags"]


@pytest.mark.shared_data
def test_the_columns_are_those_of_the_measurements(shared_data):
    with (shared_data / "measurements.csv").open(encoding="utf-8") as file:
        assert tuple(file.readline().strip().split(",")) == COLUMNS
