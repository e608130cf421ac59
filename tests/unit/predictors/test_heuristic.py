"""The analytic predictor as the search sees it."""

from dataclasses import replace

import numpy as np
import pytest

from budsim.core.engines.candidates import Candidates
from budsim.core.engines.spec import EngineKind
from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.spec import DeviceType
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.spec import ModelKind
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.predictors.protocol import BOUND_CODES, Bound, Method
from budsim.core.workload import LoadMode
from tests.support.physics_shapes import candidate, device, llama_8b, scenario

PREDICTOR = HeuristicPredictor(memory=AnalyticMemory())


def predict(where, *rows):
    return PREDICTOR.predict(where, Candidates.from_rows(rows))


def test_it_says_who_answers():
    assert PREDICTOR.method is Method.HEURISTIC
    assert PREDICTOR.version.startswith("analytic-")


def test_llama_8b_on_an_a100_takes_about_ten_milliseconds_a_token():
    # nothing can be under 15.01 GB / 2.039 TB/s = 7.36 ms; published single-stream figures lie at 10…13 ms
    found = predict(scenario(on=catalogue()["A100-SXM-80GB"]), candidate())
    assert 7.9e-3 < found.tpot_s[0] < 13e-3


def test_a_gpu_of_half_the_bandwidth_and_a_cpu_come_after_it():
    names = ("A100-SXM-80GB", "L40S-48GB", "XEON-8480+")
    devices = [replace(catalogue()[name], memory_bytes=catalogue()[name].memory_bytes or 256e9) for name in names]
    times = [predict(scenario(on=each), candidate()).e2e_s[0] for each in devices]
    assert times == sorted(times)


def test_throughput_per_user_counts_output_tokens_over_the_whole_request():
    found = predict(scenario(), candidate(concurrency=5))
    assert found.throughput_per_user[0] == pytest.approx(100 / found.e2e_s[0])


def test_intervals_hold_the_mean_and_are_wider_where_nothing_was_measured():
    where, rows = scenario(), (candidate(), candidate(concurrency=64))
    on_gpu, on_cpu = predict(where, *rows), predict(scenario(on=device(device_type=DeviceType.CPU)), *rows)
    for found in (on_gpu, on_cpu):
        assert (found.e2e_interval_s.low < found.e2e_s).all()
        assert (found.e2e_s < found.e2e_interval_s.high).all()
        assert (found.throughput_interval.low < found.throughput_per_user).all()
        assert found.throughput_interval.high == pytest.approx(100 / found.e2e_interval_s.low)
    assert (on_cpu.e2e_interval_s.high / on_cpu.e2e_s > on_gpu.e2e_interval_s.high / on_gpu.e2e_s).all()


@pytest.mark.parametrize("mode", [LoadMode.STATIC_BATCH, LoadMode.OPEN_LOOP])
def test_other_loads_are_told_less_surely_than_closed_loops(mode):
    closed = scenario(on=catalogue()["H100-SXM-80GB"])
    other = replace(closed, workload=replace(closed.workload, mode=mode, request_rate_per_s=1.0))
    widths = [found.e2e_interval_s.high / found.e2e_interval_s.low for found in (predict(each, candidate()) for each in (closed, other))]
    assert widths[1] > 1.2 * widths[0]


@pytest.mark.parametrize(
    ("where", "row", "bound"),
    [
        (scenario(), candidate(), Bound.BANDWIDTH),
        (scenario(input_tokens=8000, output_tokens=20), candidate(concurrency=60), Bound.COMPUTE),
        (scenario(), candidate(concurrency=200, max_num_seqs=8), Bound.QUEUE),
        (scenario(on=device(memory_bytes=21e9)), candidate(concurrency=200), Bound.KV_CAPACITY),
        (scenario(model=replace(llama_8b(layers=1), vocab_size=1000), input_tokens=1), candidate(tensor_parallel=8), Bound.OVERHEAD),
    ],
)
def test_the_bound_names_what_takes_most(where, row, bound):
    assert BOUND_CODES[predict(where, row).bound[0]] is bound


def test_an_embedding_is_answered_by_its_prompt_alone():
    where = scenario(model=llama_8b(kind=ModelKind.EMBEDDING), engine=EngineKind.LATENTBUD)
    found = predict(where, candidate(), candidate(concurrency=10))
    assert (found.tpot_s == 0.0).all()
    assert found.e2e_s == pytest.approx(found.ttft_s)
    # nine others each add at least the ideal work of a prompt, 45 ms on this device
    assert found.e2e_s[1] - found.e2e_s[0] > 9 * 0.045


def test_a_hosted_model_does_not_slow_with_its_users():
    hosted = replace(llama_8b(kind=ModelKind.PROPRIETARY), blocks=(), hidden_size=0, vocab_size=0)
    where = scenario(model=hosted, on=device(device_type=DeviceType.CPU), engine=EngineKind.LITELLM)
    found = predict(where, candidate(), candidate(concurrency=100))
    assert found.e2e_s[0] == found.e2e_s[1]
    assert np.isfinite(found.e2e_interval_s.high).all()
    # 1.2 s and a little for the proxy, then 99 tokens at 79 a second = 1.253 s
    assert found.e2e_s[0] == pytest.approx(1.22 + 1.253, rel=1e-3)
