"""Model sets held against what feedback observed, worked by hand."""

import pytest

from budsim.services.accuracy.score import Metric
from budsim.services.set_scores import compared
from tests.support.observation_values import make_observation, predicted


def scored(*observations):
    return {(found.version, found.engine, found.device_type): found for found in compared(observations).scores}


def test_each_set_is_scored_on_each_figure_that_was_observed():
    # observed TTFT 0.4 and 0.5 s; set a predicted 0.5 and 0.5: +25 % and 0; within ×/÷ 1.25 of 0.5 lie 0.4 and 0.5
    # set b predicted 0.8 and 0.4: +100 % and −20 %; 0.4 is not within 0.64…1, 0.5 is within 0.32…0.5
    found = scored(
        make_observation(ttft_s=0.4, predictions=(predicted("a", ttft_s=0.5), predicted("b", ttft_s=0.8))),
        make_observation(ttft_s=0.5, e2e_s=None, predictions=(predicted("a", ttft_s=0.5), predicted("b", ttft_s=0.4))),
    )
    a, b = found["a", "vllm", "cuda"].scores[Metric.TTFT], found["b", "vllm", "cuda"].scores[Metric.TTFT]
    assert (a.rows, a.mape, a.bias, a.coverage) == pytest.approx((2, 0.125, 0.125, 1.0))
    assert (b.rows, b.mape, b.bias, b.coverage) == pytest.approx((2, 0.6, 0.4, 0.5))
    assert found["a", "vllm", "cuda"].scores[Metric.E2E].rows == 1
    assert found["a", "vllm", "cuda"].scores[Metric.THROUGHPUT].mape == pytest.approx(0.0)


def test_pairs_of_engine_and_device_are_scored_apart_and_together():
    found = scored(
        make_observation(predictions=(predicted("a", ttft_s=0.4),)),
        make_observation(device_type="rocm", engine="sglang", predictions=(predicted("a", ttft_s=0.8),)),
    )
    assert {key: score.scores[Metric.TTFT].mape for key, score in found.items()} == pytest.approx(
        {("a", "all", "all"): 0.5, ("a", "vllm", "cuda"): 0.0, ("a", "sglang", "rocm"): 1.0}
    )


def test_what_was_observed_under_another_load_is_left_out_and_counted():
    # 32 users were planned: 30 is within a tenth, 16 is not
    comparison = compared(
        [
            make_observation(concurrency=30, predictions=(predicted("a", ttft_s=0.4),)),
            make_observation(concurrency=16, predictions=(predicted("a", ttft_s=0.4),)),
            make_observation(concurrency=None),
        ]
    )
    assert (comparison.observations, comparison.other_load, comparison.unpredicted) == (3, 1, 1)
    assert {found.scores[Metric.TTFT].rows for found in comparison.scores} == {1}


def test_without_feedback_there_is_nothing_to_score():
    assert compared([]).scores == ()
