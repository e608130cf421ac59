"""An explanation as figures, with those of FakeMemory and FakePredictor."""

import pytest

from budsim.adapters.wire.recommendations import recommendation_event
from budsim.core.ranking.explanation import Criterion, Objective
from budsim.core.ranking.rank import recommend
from budsim.core.slo import Slo
from tests.support.search_fakes import make_load
from tests.unit.ranking.test_ranking import findings_of, on


def explained(*parts, slo=None):
    told = recommend(findings_of(*parts, slo=slo)).clusters[-1].explained
    assert told is not None
    return told


def test_margins_are_told_at_the_mean_and_where_nineteen_of_twenty_lie():
    slo = Slo(ttft_s=0.84, throughput_per_user=20.0)
    ttft, rate = explained(on("c", nodes=(1,), slo=slo), slo=slo).margins
    # TP=1, 32 users: TTFT 0.42 s, at p95 · 1.25 = 0.525; 101 / 4.02 = 25.12 tokens/s, at p5 / 1.25 = 20.1
    assert (ttft.objective, ttft.target, ttft.mean_spare, ttft.p95_spare) == (
        Objective.TTFT,
        0.84,
        pytest.approx(0.5),
        pytest.approx(1 - 0.525 / 0.84),
    )
    assert (rate.mean, rate.p95) == (pytest.approx(101 / 4.02), pytest.approx(101 / 4.02 / 1.25))
    assert rate.p95_spare == pytest.approx(101 / 4.02 / 1.25 / 20 - 1)


def test_a_mean_that_suffices_does_not_contradict_a_probability_below_one_half():
    slo = Slo(ttft_s=0.425, e2e_s=4.03)  # both means just meet: each has a little over 50 %, both at once a little over 25 %
    (cluster,) = recommend(findings_of(on("c", nodes=(1,), slo=slo), slo=slo)).clusters
    assert cluster.best.configuration.meets_slo
    assert cluster.best.configuration.slo_probability < 0.5
    assert "every SLO is met at the mean, as asked (all of them at once with probability" in cluster.explanation


def test_a_raised_probability_is_what_the_sentence_speaks_of():
    strict = Slo(e2e_s=4.03, min_probability=0.9)
    part = on("c", nodes=(1,), slo=strict, load=make_load(concurrency=32))
    sentence = recommend(findings_of(part, slo=strict)).clusters[0].explanation
    assert "every SLO is met at the mean, but all at once only with probability" in sentence
    assert "(90% asked)" in sentence
    easy = Slo(e2e_s=8.0, min_probability=0.9)
    sentence = recommend(findings_of(on("c", nodes=(1,), slo=easy), slo=easy)).clusters[0].explanation
    assert "every SLO is met with probability 100% (90% asked)" in sentence


def test_the_runner_up_is_told_with_the_criterion_it_lost_by():
    told = explained(on("c", nodes=(2,)))
    assert told.runner_up is not None
    # 32 users on one device at $2/h cost $2 / (25.12 · 32 · 3600) · 10⁶ = 0.691; on two at TP=2 E2E is 0.26 + 100 · 0.026 = 2.86 s:
    # 35.3 tokens/s and $4 / (35.3 · 32 · 3600) · 10⁶ = 0.983, 42.3 % more
    assert (told.runner_up.criterion, told.runner_up.by) == (Criterion.COST, pytest.approx(2 * 2.86 / 4.02 - 1))
    assert "costs 42.3% more: $0.9832 against $0.691" in told.runner_up.sentence
    assert told.behind is None


def test_a_missed_slo_is_the_criterion_whatever_the_cost():
    slo = Slo(e2e_s=2.0)
    slow, quick = on("a-slow", nodes=(1,), usd_per_hour=0.1, slo=slo), on("b-quick", usd_per_hour=9.0, slo=slo)
    told = explained(slow, quick, slo=slo).behind
    assert told is not None
    assert (told.criterion, told.cluster_id) == (Criterion.SLO_MET, "b-quick")
    assert "misses E2E 4.02 s against 2.00 s (missed by 101%" in told.sentence


def test_a_dearer_engine_by_preference_and_a_device_without_a_price_are_told():
    told = explained(on("c", nodes=(1,), preference=1), on("c", nodes=(1,), engine="sglang", preference=0)).runner_up
    assert told is not None
    assert told.criterion is Criterion.ENGINE
    unpriced = explained(on("z", usd_per_hour=4.5), on("a", usd_per_hour=0.1, price_source="purchase")).behind
    assert unpriced is not None
    assert (unpriced.criterion, unpriced.by) == (Criterion.HOURLY_PRICE, 1.0)


def test_the_wire_carries_the_figures_in_its_units():
    slo = Slo(ttft_s=0.84)
    (item,) = recommendation_event(recommend(findings_of(on("c", nodes=(2,), slo=slo), slo=slo))).recommendations
    assert item.explained is not None
    (margin,) = item.explained.margins
    assert (margin.objective, margin.target, margin.mean) == ("ttft", 840.0, pytest.approx(420.0))
    assert item.explained.runner_up is not None
    assert item.explained.runner_up.config_id == item.configurations[1].config_id
    best = item.configurations[0]
    taken = best.weight_memory_gb + best.kv_cache_memory_gb + best.activation_memory_gb + best.overhead_memory_gb
    assert taken == pytest.approx(best.total_memory_gb)
    assert best.usable_memory_gb == pytest.approx(72.0)
