"""A request swept over loads and lengths, with the figures of FakeMemory and FakePredictor."""

from dataclasses import replace

import pytest

from budsim.core.errors import InvalidInput, NoCompatibleEngine
from budsim.core.search.direct import direct_search
from budsim.core.search.sweep import swept
from budsim.core.slo import Slo
from budsim.services.ports import PlanNotes
from budsim.services.split import Split
from budsim.services.sweep import MOST_POINTS, Axis, SweepCompute, SweepPlan, sweep
from tests.support.search_fakes import FakeMemory, FakePredictor, make_group, make_part
from tests.support.storage_values import make_request


class Computing:
    """Counts the predictions of a sweep."""

    def __init__(self):
        self.predictor = FakePredictor()
        self.compute = SweepCompute(
            memory=FakeMemory(),
            search=lambda task: direct_search(task, self.predictor, FakeMemory()),
            search_users=lambda task, users: swept(task, users, self.predictor, FakeMemory()),
        )


def curve(axis, *values, parts=None, computing=None):
    parts = parts or [make_part(group=make_group(nodes=(1,)))]
    notes = PlanNotes(rejections=(), warnings=(), eta_s=1.0, data_version="v")
    computing = computing or Computing()
    return sweep(
        make_request(slo=Slo()),
        Split(parts=tuple(parts), notes=notes),
        SweepPlan(axis=axis, values=values),
        computing.compute,
        now_s=0.0,
    )


def test_a_part_is_predicted_once_however_many_loads_there_are():
    computing = Computing()
    curve(Axis.CONCURRENCY, *range(1, 40), computing=computing, parts=[make_part(), make_part(group=make_group(cluster_id="c2"))])
    assert computing.predictor.calls == 2


def test_each_point_tells_the_best_deployment_and_those_beyond_reach_why_there_is_none():
    found = curve(Axis.CONCURRENCY, 1, 32, 400)
    one, many, beyond = found.points
    assert one.deployment is not None
    assert one.deployment.e2e_s == pytest.approx(2.16)  # 2.1 + 0.06 · 1
    assert many.deployment is not None
    # E2E 4.02 s: 25.12 tokens/s, $2 / (25.12 · 32 · 3600) · 10⁶
    assert many.deployment.cost_per_million_tokens == pytest.approx(2 / (101 / 4.02 * 32 * 3600) * 1e6)
    assert beyond.deployment is None
    assert "of 400 users" in beyond.reason


def test_the_knee_lies_where_the_cost_stops_falling():
    # cost is (2.1 + 0.06·c) / c · $2 / 101 / 3600 · 10⁶ = 11.55 / c + 0.33: of 1/c on 1…50 it lies at √50 = 7.07
    found = curve(Axis.CONCURRENCY, *range(1, 51))
    assert found.knee is not None
    assert found.points[found.knee].value == 7


def test_what_was_not_predicted_as_asked_is_noted_once():
    computing = Computing()
    noted = replace(
        computing.compute,
        search_users=lambda task, users: tuple(
            replace(result, method_note="no regressor") for result in swept(task, users, computing.predictor, FakeMemory())
        ),
    )
    computing.compute = noted
    assert curve(Axis.CONCURRENCY, 1, 2, computing=computing).notes == ("no regressor",)


def test_lengths_are_swept_too_without_a_knee():
    found = curve(Axis.OUTPUT_TOKENS, 11, 101, 1001)
    times = [point.deployment.e2e_s for point in found.points if point.deployment]
    assert times == pytest.approx([0.42 + steps * 0.036 for steps in (10, 100, 1000)])  # 32 users: TTFT 0.42 s, TPOT 0.036 s
    assert found.knee is None


def test_a_model_that_fits_nowhere_has_a_curve_of_reasons():
    tiny = make_part(group=make_group(nodes=(1,), memory_gb=10))
    found = curve(Axis.CONCURRENCY, 1, 2, parts=[replace(tiny)])
    assert [point.deployment for point in found.points] == [None, None]
    assert all("needs 18.0 GB" in point.reason for point in found.points)


def test_a_request_without_a_part_has_no_curve_but_a_reason():
    notes = PlanNotes(rejections=(), warnings=(), eta_s=1.0, data_version="v")
    plan = SweepPlan(axis=Axis.CONCURRENCY, values=(1, 2))
    with pytest.raises(NoCompatibleEngine, match="no part of the clusters can run the model"):
        sweep(make_request(), Split(parts=(), notes=notes), plan, Computing().compute, now_s=0.0)


@pytest.mark.parametrize("count", [0, MOST_POINTS + 1])
def test_a_curve_has_some_points_and_not_too_many(count):
    with pytest.raises(InvalidInput, match=f"has {count} values"):
        curve(Axis.CONCURRENCY, *range(1, count + 1))
