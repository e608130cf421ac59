"""What bounds a candidate, worked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from budsim.core.engines.candidates import Candidates
from budsim.core.latency.scheduler import Latency
from budsim.core.latency.timing import StepTime
from budsim.core.predictors.bounds import bound_shares, largest_share
from budsim.core.predictors.protocol import BOUND_CODES, Bound
from tests.support.physics_shapes import candidate
from tests.support.search_fakes import FakeMemory, make_model
from tests.unit.predictors.test_heuristic import predict, scenario

ROW = Candidates.from_rows([candidate()])


def step(*, compute=0.0, bandwidth=0.0, communication=0.0, overhead=0.0):
    columns = {"compute_s": compute, "bandwidth_s": bandwidth, "communication_s": communication, "overhead_s": overhead}
    return StepTime(operators_s=np.array([max(compute, bandwidth)]), **{name: np.array([value]) for name, value in columns.items()})


# 2 s of queue, 3 s of a prompt of one's own, and 10 steps of 0.5 s a fifth of which are prompts of others: 10 s in all
LATENCY = Latency(
    ttft_s=np.array([5.0]),
    tpot_s=np.array([0.5]),
    e2e_s=np.array([10.0]),
    queue_s=np.array([2.0]),
    step=step(compute=0.1, bandwidth=0.3, communication=0.1),
    prompt=step(compute=2.0, bandwidth=0.5, overhead=1.0),
    running=np.array([1.0]),
    prefill_share=np.array([0.2]),
)


def shares_of(latency, *, max_concurrency=10_000):
    plan = replace(FakeMemory().plan(scenario(model=make_model()), ROW), max_concurrency=np.array([max_concurrency]))
    return dict(zip(BOUND_CODES, bound_shares(ROW, plan, latency, output_tokens=11)[0], strict=True))


def test_shares_follow_the_time_from_arrival_to_the_last_token():
    # decode 10 · 0.5 · 0.8 = 4 s, of which 3/4 bandwidth and 1/4 communication; prompts 3 + 1 = 4 s, of which 2/3 compute, 1/3 overhead
    assert shares_of(LATENCY) == pytest.approx(
        {
            Bound.COMPUTE: 4 * 2 / 3 / 10,
            Bound.BANDWIDTH: 0.3,
            Bound.KV_CAPACITY: 0.0,
            Bound.COMMUNICATION: 0.1,
            Bound.QUEUE: 0.2,
            Bound.OVERHEAD: 4 / 3 / 10,
        }
    )


def test_waiting_is_the_caches_where_memory_holds_less_than_the_engine_would_run():
    shares = shares_of(LATENCY, max_concurrency=1)
    assert (shares[Bound.QUEUE], shares[Bound.KV_CAPACITY]) == (0.0, pytest.approx(0.2))


def test_the_bound_is_the_largest_share_and_shares_are_of_a_whole():
    found = predict(scenario(), candidate(), candidate(concurrency=60), candidate(concurrency=200, max_num_seqs=8))
    assert found.shares is not None
    assert found.shares.sum(axis=1) == pytest.approx(1.0)
    assert (found.shares >= 0.0).all()
    assert (found.bound == largest_share(found.shares)).all()
