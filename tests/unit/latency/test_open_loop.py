"""Requests at a rate, beyond what the device can answer: who waits for what."""

from dataclasses import replace

import pytest

from budsim.core.engines.candidates import Candidates
from budsim.core.latency.open_loop import open_latency
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.workload import LoadMode, Workload
from tests.support.physics_shapes import candidate, ideal, scenario


def flooded(*, requests: float, rate: float = 1000.0, **knobs):
    load = Workload(
        input_tokens=1000, output_tokens=100, concurrency=None, request_rate_per_s=rate, mode=LoadMode.OPEN_LOOP, requests=requests
    )
    where = replace(scenario(), workload=load)
    case = ideal(where, candidate(**knobs))
    return open_latency(case, AnalyticMemory().plan(where, Candidates.from_rows([candidate(**knobs)])))


def test_a_step_replaces_no_more_sequences_than_its_budget_has_tokens_for():
    # 512 tokens a step: B of them decode and B·1000/100 come with new prompts, so B = 512·100/1100 = 46.5
    assert flooded(requests=1e4, max_num_batched_tokens=512).running[0] == pytest.approx(46.5, rel=1e-2)
    assert flooded(requests=1e4, max_num_batched_tokens=8192, max_num_seqs=40).running[0] == 40


def test_who_finds_a_free_slot_waits_for_prompts_alone():
    # 20 requests for 40 slots come at once: half of the 20 prompts of 45.583 ms each, less the 1 ms between two arrivals
    found = flooded(requests=20, max_num_seqs=40)
    assert found.queue_s[0] == pytest.approx(20 / 2 * (45.583e-3 - 1e-3), rel=0.02)


def test_who_comes_later_waits_for_the_answers_of_those_before():
    # of 4,000 requests nearly all wait for a slot, half of the run in the mean: no longer than all of it
    few, many = (flooded(requests=count, max_num_seqs=40) for count in (4000, 8000))
    served_per_s = 40 / (99 * few.tpot_s[0])
    assert few.queue_s[0] == pytest.approx(4000 / 2 * (1 / served_per_s - 1e-3), rel=0.05)
    assert many.queue_s[0] == pytest.approx(2 * few.queue_s[0], rel=0.05)
