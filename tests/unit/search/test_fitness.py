"""Shortfall, cost, replicas and probability, worked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from budsim.core.engines.candidates import Candidates
from budsim.core.engines.knobs import default_candidate
from budsim.core.search.fitness import error_rate, judge, meets_means, order, slo_probability
from budsim.core.search.space import scenario_of
from budsim.core.slo import Slo
from tests.support.search_fakes import make_load, make_part, predictions

SLO = Slo(ttft_s=0.5, e2e_s=4.0, throughput_per_user=40.0)


def figures(ttft_s, e2e_s, throughput, spread=1.25):
    return predictions(
        ttft_s=np.array(ttft_s, dtype=float),
        e2e_s=np.array(e2e_s, dtype=float),
        throughput_per_user=np.array(throughput, dtype=float),
        spread=spread,
    )


def rows(*concurrencies, tensor_parallel=1):
    scenario = scenario_of(make_part())
    return Candidates.from_rows(
        [default_candidate(scenario, tensor_parallel=tensor_parallel, pipeline_parallel=1, concurrency=users) for users in concurrencies]
    )


def test_error_rate_is_the_mean_relative_shortfall_over_the_set_slos():
    # TTFT 0.6/0.5 − 1 = 0.2; E2E 5/4 − 1 = 0.25; throughput 1 − 30/40 = 0.25; mean (0.2 + 0.25 + 0.25)/3 = 0.2333…
    assert error_rate(SLO, figures([0.6], [5.0], [30.0]))[0] == pytest.approx(0.7 / 3)


def test_a_margin_on_one_slo_does_not_pay_for_a_miss_on_another():
    # TTFT met with room (0), E2E 6/4 − 1 = 0.5, throughput met (0); mean 0.5/3
    assert error_rate(SLO, figures([0.1], [6.0], [90.0]))[0] == pytest.approx(0.5 / 3)


def test_error_rate_is_clipped_at_one():
    # TTFT 5/0.5 − 1 = 9, alone
    assert error_rate(Slo(ttft_s=0.5), figures([5.0], [9.0], [1.0]))[0] == 1.0


@pytest.mark.parametrize("slo", [Slo(), Slo(ttft_s=0.0, e2e_s=0.0, throughput_per_user=0.0)])
def test_without_slos_nothing_is_missed(slo):
    found = figures([9.0], [99.0], [0.1])
    assert (error_rate(slo, found)[0], bool(meets_means(slo, found)[0]), slo_probability(slo, found)[0]) == (0.0, True, 1.0)


def test_a_figure_on_its_target_meets_it():
    assert meets_means(SLO, figures([0.5], [4.0], [40.0]))[0]


def test_the_price_of_a_candidate_counts_all_its_devices():
    # 2 devices at $2/h = $4/h; 16 users × 25 tokens/s = 400 tokens/s = 1.44 million an hour; 4 / 1.44 = $2.777…
    part = make_part(usd_per_hour=2.0)
    found = judge(part, rows(16, tensor_parallel=2), figures([0.1], [1.0], [25.0]), max_replicas=np.array([4]))
    assert found.cost_per_million_tokens[0] == pytest.approx(4 / 1.44)


def test_replicas_divide_the_target_and_stop_at_what_the_group_holds():
    # 100 users: 16 each needs ceil(6.25) = 7; 5 are held, which carry 80: a fifth is left over. 64 each needs 2.
    part = make_part(load=make_load(concurrency=100))
    found = judge(part, rows(16, 64), figures([0.1] * 2, [1.0] * 2, [50.0] * 2), max_replicas=np.array([5, 5]))
    assert found.replicas.tolist() == [5, 2]
    assert found.uncarried == pytest.approx([0.2, 0.0])


def test_under_an_arrival_rate_the_users_follow_from_the_latency():
    # Little: 10 requests/s × 3.2 s = 32 in flight; 8 each → 4 replicas; at 6.4 s 64 in flight → 8
    part = make_part(load=make_load(concurrency=None, request_rate_per_s=10.0))
    found = judge(part, rows(8, 8), figures([0.1] * 2, [3.2, 6.4], [50.0] * 2), max_replicas=np.array([16, 16]))
    assert found.replicas.tolist() == [4, 8]


def test_the_probability_at_the_quantiles_is_that_of_the_quantiles():
    # the target on the 95 % quantile (0.4 × 1.25), on the median, and on the 5 % quantile (0.625 / 1.25)
    found = slo_probability(Slo(ttft_s=0.5), figures([0.4, 0.5, 0.625], [1.0] * 3, [1.0] * 3))
    assert found == pytest.approx([0.95, 0.5, 0.05], abs=1e-6)


def test_throughput_and_e2e_share_one_error_while_ttft_has_its_own():
    # every target on its safe 95 % quantile: 0.95 for TTFT × 0.95 for the two that are one
    slo = Slo(ttft_s=0.5, e2e_s=5.0, throughput_per_user=40.0)
    assert slo_probability(slo, figures([0.4], [4.0], [50.0]))[0] == pytest.approx(0.95**2, abs=1e-6)


def test_a_raised_probability_refuses_what_only_the_mean_meets():
    part = make_part(slo=Slo(ttft_s=0.5))
    found = figures([0.4, 0.45], [1.0] * 2, [1.0] * 2)  # certain to 95 %, and to less
    held = np.array([8, 8])
    assert judge(part, rows(8, 8), found, max_replicas=held).meets_slo.tolist() == [True, True]
    careful = replace(part, slo=replace(part.slo, min_probability=0.9))
    assert judge(careful, rows(8, 8), found, max_replicas=held).meets_slo.tolist() == [True, False]


def test_a_sure_figure_has_an_all_or_nothing_probability():
    assert slo_probability(Slo(ttft_s=0.5), figures([0.4, 0.6], [1.0] * 2, [1.0] * 2, spread=1.0)).tolist() == [1.0, 0.0]


def test_order_puts_carrying_before_slo_before_cost_before_throughput():
    part = make_part(load=make_load(concurrency=32), slo=Slo(ttft_s=0.5))
    candidates = rows(32, 32, 32, 32, 4)
    # 0: meets, dear (slow users) · 1: misses, cheap · 2: meets, cheaper than 0 · 3: as 2 · 4: meets, 4 users × 2 replicas of 32
    found = figures([0.4, 0.6, 0.4, 0.4, 0.1], [1.0] * 5, [20.0, 90.0, 30.0, 30.0, 500.0])
    verdict = judge(part, candidates, found, max_replicas=np.array([2] * 5))
    assert order(verdict, candidates, throughput_per_user=found.throughput_per_user).tolist() == [2, 3, 0, 1, 4]


def test_when_all_miss_the_smaller_miss_wins_over_the_smaller_cost():
    part = make_part(slo=Slo(ttft_s=0.5))
    candidates = rows(32, 32)
    found = figures([2.0, 0.55], [1.0] * 2, [90.0, 20.0])
    verdict = judge(part, candidates, found, max_replicas=np.array([2, 2]))
    assert order(verdict, candidates, throughput_per_user=found.throughput_per_user).tolist() == [1, 0]
