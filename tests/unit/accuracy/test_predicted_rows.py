"""Measured rows, predicted in the mode they were measured in; nothing in a row makes the rest fail."""

import pytest

from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.services.accuracy.capacity import MemoryOfWhatRan
from budsim.services.accuracy.predict import OK, predict_rows
from budsim.services.accuracy.rows import read_row
from budsim.services.accuracy.score import Metric, accuracy_of
from budsim.services.accuracy.shapes import models_of
from budsim.services.accuracy.table import COLUMNS, outcome_cells, report_lines
from tests.support.measured_rows import DEEPSEEK_SHAPE, LLAMA_SHAPE, row

PREDICTOR = HeuristicPredictor(memory=MemoryOfWhatRan(AnalyticMemory()))
MODELS = models_of([LLAMA_SHAPE, DEEPSEEK_SHAPE])


def outcomes(*rows):
    return predict_rows([read_row(each) for each in rows], MODELS, PREDICTOR)


def predicted(**changes):
    (outcome,) = outcomes(row(**changes))
    assert outcome.status == OK
    return outcome.predicted


@pytest.mark.parametrize("mode", ["closed_loop", "static_batch"])
def test_a_request_takes_its_first_token_and_the_others(mode):
    found = predicted(load_mode=mode)
    assert found.e2e_s.mean == pytest.approx(found.ttft_s.mean + 199 * found.tpot_s.mean)
    assert found.throughput_per_user.mean == pytest.approx(200 / found.e2e_s.mean)
    # 8.03e9 fp8 weights and a 16-bit LM head are 8.5 GB: no token under 8.5e9 / 3.35e12 = 2.5 ms
    assert 2.5e-3 < found.tpot_s.mean < 25e-3


def test_a_batch_waits_for_every_prompt_before_its_first_token():
    one, many = (predicted(load_mode="static_batch", concurrency=users).ttft_s.mean for users in ("1", "32"))
    # 31 more prompts of 2·7e9·1000 FLOP: at the fp8 peak of 1,979 TFLOP/s 0.22 s
    assert many - one > 0.2


def test_an_open_loop_settles_by_littles_law_and_says_when_it_cannot():
    calm, busy, flooded = (
        predicted(load_mode="rate", concurrency="", request_rate=rate, num_requests="600") for rate in ("1", "10", "400")
    )
    assert calm.e2e_s.mean < busy.e2e_s.mean < flooded.e2e_s.mean
    assert [each.saturated for each in (calm, busy, flooded)] == [False, False, True]
    # at 400 a second the slots are filled once, whatever comes after: the queue of a run three times as long is more than three times it
    longer = predicted(load_mode="rate_burst", concurrency="", request_rate="400", num_requests="1800")
    assert longer.ttft_s.mean > 3 * flooded.ttft_s.mean


LONG = {"input_tokens": "30000", "output_tokens": "1000", "kv_precision": "bf16"}


def test_users_beyond_the_cache_wait_for_a_place_in_it():
    # 80 GB hold 8.5 GB of weights and 131 kB a token: some 14 sequences of 30,500 tokens, so of 64 users four fifths wait
    found = predicted(concurrency="64", **LONG)
    assert 0.6 < found.ttft_s.mean / found.e2e_s.mean < 0.95


def test_a_cache_that_falls_short_by_less_than_a_plan_is_sure_of_makes_nobody_wait():
    shares = [predicted(concurrency=users, **LONG) for users in ("14", "16")]
    assert all(each.ttft_s.mean < 0.5 * each.e2e_s.mean for each in shares)


def test_a_server_whose_plan_has_no_room_at_all_had_more_memory_than_planned():
    # 70.6e9 16-bit weights are 141 GB, more than the device has
    found = predicted(model="meta-llama/Llama-3.1-70B", weight_precision="bf16", concurrency="8")
    assert found.ttft_s.mean < 0.5 * found.e2e_s.mean


def test_tgi_keeps_room_for_all_that_a_request_may_become():
    waiting = {engine: predicted(engine=engine, concurrency="256", weight_precision="bf16") for engine in ("tgi", "vllm")}
    # 0.95·85.5 − 16.1 GB of cache over 1,000 tokens of 131 kB: 497 sequences of the mean length, or (vLLM) as many as fit
    assert waiting["tgi"].ttft_s.mean > waiting["vllm"].ttft_s.mean


@pytest.mark.parametrize("engine", ["tensorrt-llm", "tgi", "atom", "sglang", "an engine of tomorrow", ""])
@pytest.mark.parametrize("version", ["0.99.1", "nightly-5b8c30d", "", "v2"])
def test_engines_that_are_never_recommended_and_versions_to_come_are_predicted(engine, version):
    assert predicted(engine=engine, engine_version=version).e2e_s.mean > 0


def test_ranks_that_share_experts_are_predicted():
    rank = predicted(model="deepseek-ai/DeepSeek-V3", hardware="H200-SXM-141GB", tp="1", dp="8", ep="8", concurrency="128")
    group = predicted(model="deepseek-ai/DeepSeek-V3", hardware="H200-SXM-141GB", tp="8", concurrency="128")
    assert rank.tpot_s.mean != group.tpot_s.mean


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hardware": "QPU-9000"}, "QPU-9000"),
        ({"hardware": ""}, "device is not given"),
        ({"model": "nobody/nothing"}, "nobody/nothing"),
        ({"model": ""}, "model is not given"),
        ({"input_tokens": ""}, "tokens are not given"),
        ({"output_tokens": "NaN"}, "tokens are not given"),
        ({"concurrency": "many"}, "concurrency is not given"),
        ({"load_mode": "rate", "request_rate": "-1"}, "request rate is not given"),
        ({"load_mode": "offline_max"}, "offline_max"),
        ({"weight_precision": "int3.7"}, "int3.7"),
        ({"pp": "1e30"}, "pipeline_parallel is 1e+30"),
        ({"concurrency": "99999999999"}, "concurrency"),
    ],
)
def test_a_row_that_cannot_be_predicted_says_why_and_stops_no_other(changes, reason):
    bad, good = outcomes(row(**changes), row())
    assert bad.predicted is None
    assert reason in bad.status
    assert good.status == OK


def test_a_row_of_nothing_and_one_with_missing_columns_have_a_status():
    assert [each.predicted for each in outcomes({}, {"model": "x"}, {"load_mode": "closed_loop", "tp": "inf", "ep": "-3"})] == [None] * 3


def test_a_model_of_another_organisation_and_format_is_found_by_its_name():
    (outcome,) = predict_rows([read_row(row(model="nvidia/Llama-3.1-8B-Instruct-FP8", weight_precision=""))], {}, PREDICTOR)
    assert outcome.status == OK
    assert outcome.kind == "dense, fp8"


def test_a_line_gains_its_status_and_twelve_figures():
    good, bad = (outcome_cells(each) for each in outcomes(row(), row(hardware="?")))
    assert tuple(good) == tuple(bad) == COLUMNS
    assert float(good["predicted_ttft_ms_low"]) < float(good["predicted_ttft_ms"]) < float(good["predicted_ttft_ms_high"])
    assert float(good["predicted_output_tps_per_user"]) == pytest.approx(200 / float(good["predicted_e2e_s"]), rel=1e-4)
    assert bad["status"] != OK
    assert not any(bad[name] for name in COLUMNS[1:])


def test_errors_are_relative_to_what_was_measured():
    (outcome,) = outcomes(row())
    mean = outcome.predicted.tpot_s.mean * 1e3
    half, twice = (row(mean_tpot_ms=str(mean * factor)) for factor in (0.5, 2.0))
    accuracy = accuracy_of(outcomes(half, twice, row(load_mode="offline_max")))
    score = accuracy.groups[0].scores[Metric.TPOT]
    assert score.rows == 2
    # predicted is twice and half of what was measured: errors of 100 and 50 %
    assert score.mape == pytest.approx(0.75, rel=1e-3)
    assert score.bias == pytest.approx(0.25, rel=1e-3)
    assert list(accuracy.unpredicted.values()) == [1]


def test_the_report_names_every_group_and_every_reason():
    text = "\n".join(report_lines(accuracy_of(outcomes(row(), row(engine="sglang"), row(hardware="QPU-9000")))))
    for part in ("2 of 3 rows", "vllm × cuda", "sglang × cuda", "dense, fp8", "mode closed_loop", "QPU-9000"):
        assert part in text
