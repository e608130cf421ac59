"""Continuous batching, worked by hand on the ideal A100 of test_steps."""

import numpy as np
import pytest

from budsim.core.latency.scheduler import demand_of, prompt_cost, running_slots, steady_latency
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.spec import ModelKind
from tests.support.physics_shapes import candidate, device, ideal, llama_8b, mixtral, scenario


def latency(where, *rows):
    case = ideal(where, *rows)
    return steady_latency(case, AnalyticMemory().plan(where, case.candidates))


def test_tpot_is_the_decode_step_and_the_prompts_of_the_others():
    # decode of 11 at 1,050 tokens: dense 13,958,643,712 B → 6.8458 ms; LM head 0.5153 ms; cache 11·131,072·1050 B → 0.7425 ms
    # a prompt adds s = 44.739 + 0.8402 + 0.0034 = 45.583 ms of work, beside 99 · 8.1036 = 802.3 ms of decoding: of the 10 others
    # 10·s/(s + 802.3) = 0.5376 stand before one, and the 9.4624 left spread over the 99 steps after its first token: 4.3568 ms
    found = latency(scenario(), candidate(concurrency=11))
    assert found.tpot_s[0] == pytest.approx((6.8458 + 0.5153 + 0.7425 + 4.3568) * 1e-3, rel=1e-3)
    # its first token: half a decode step of 8.1036 ms, 0.5376 prompts of 45.583 ms, its own prompt of 46.094 ms, and in the step of its
    # one chunk the cache of the others, 0.7425 ms
    assert found.ttft_s[0] == pytest.approx((4.0518 + 24.505 + 46.094 + 0.7425) * 1e-3, rel=1e-3)


def test_users_of_one_token_wait_for_the_prompt_of_every_other():
    # nothing is decoded between prompts, so all 7 others stand before one: 7 · 45.583 ms; half a step of 8 ms adds a hundredth
    alone, crowd = latency(scenario(output_tokens=1), candidate(), candidate(concurrency=8)).e2e_s
    assert crowd - alone == pytest.approx(7 * 45.583e-3, rel=0.02)


def test_a_request_meets_the_prompt_of_each_other_user_once():
    # whatever the split between TTFT and TPOT: alone 46.094, half a step, the others' cache, 10 prompts of 45.583 ms, and the decode steps
    found = latency(scenario(), candidate(concurrency=11))
    decoding = 99.5 * found.step.total_s[0]
    assert found.e2e_s[0] == pytest.approx(46.094e-3 + 0.7425e-3 + 10 * 45.583e-3 + decoding, rel=1e-4)


def test_alone_a_request_waits_for_nothing_but_its_own_prompt():
    found = latency(scenario(), candidate())
    assert found.ttft_s[0] == pytest.approx(46.094e-3, rel=1e-4)
    assert found.queue_s[0] == 0.0
    assert found.e2e_s[0] == pytest.approx(found.ttft_s[0] + 99 * found.tpot_s[0])


def test_users_beyond_the_slots_wait_in_proportion():
    served, doubled = latency(scenario(), candidate(concurrency=8, max_num_seqs=8), candidate(concurrency=16, max_num_seqs=8)).e2e_s
    assert doubled == pytest.approx(2 * served)


def test_kv_capacity_bounds_the_running_sequences():
    # a device of 24 GB: the lesser of 0.9·24 = 21.6 and 0.95·(24 − 2) = 20.9 GB; less 16.0941 GB weights, 1.2805 GB sampling and
    # 0.1396 GB outside torch: 3.3858 GB; a running sequence has 1,050 · 131,072 B = 0.13763 GB → 24
    where = scenario(on=device(memory_bytes=24e9))
    case = ideal(where, candidate(concurrency=200))
    assert running_slots(where, case.candidates, AnalyticMemory().plan(where, case.candidates))[0] == 24


def test_pipeline_stages_share_the_sequences():
    # two stages with one sequence each decode it as one device would a single one; a hop costs 8192 B / 2.5e10 + 10 µs = 10.33 µs
    alone, pair = latency(scenario(), candidate(), candidate(pipeline_parallel=2, concurrency=2)).step.total_s
    assert pair - alone == pytest.approx(10.33e-6, rel=1e-3)


def test_data_parallel_ranks_divide_the_users():
    one, four = latency(scenario(), candidate(concurrency=5), candidate(concurrency=20, data_parallel=4)).tpot_s
    assert four == pytest.approx(one)


def test_a_model_without_a_cache_is_bounded_by_its_knob_alone():
    where = scenario(model=llama_8b(kind=ModelKind.ENCODER))
    case = ideal(where, candidate(max_num_seqs=77))
    assert running_slots(where, case.candidates, AnalyticMemory().plan(where, case.candidates))[0] == 77


def test_columns_do_not_touch_each_other():
    rows = [candidate(concurrency=c, tensor_parallel=t) for c in (1, 7, 300) for t in (1, 4)]
    together = latency(scenario(), *rows).e2e_s
    apart = np.array([latency(scenario(), row).e2e_s[0] for row in rows])
    assert together == pytest.approx(apart)


def test_ranks_that_do_nothing_but_prompts_run_them_at_the_same_time():
    # one output token: all time is prompts, so that the seven others of a rank are waited for, not the 31 others of the four ranks
    where = scenario(model=mixtral(), output_tokens=1)
    rank, ranks = latency(where, candidate(data_parallel=4, concurrency=4), candidate(data_parallel=4, concurrency=32)).e2e_s
    case = ideal(where, candidate(data_parallel=4, concurrency=32))
    eight = np.array([8.0])
    prompt = prompt_cost(demand_of(where, case.candidates, users=eight, slots=eight), case.efficiency, case.overheads)
    assert ranks - rank == pytest.approx(7 * prompt.added_s[0], rel=0.1)


def test_ranks_with_few_prompts_wait_for_those_of_all():
    # 16 tokens in, 4,000 out: two ranks hardly ever run prompts at the same time, so a request meets those of 2·8 − 1 others
    where = scenario(model=mixtral(), input_tokens=16, output_tokens=4000)
    case = ideal(where, candidate(data_parallel=2, concurrency=16))
    found = steady_latency(case, AnalyticMemory().plan(where, case.candidates))
    eight = np.array([8.0])
    prompt = prompt_cost(demand_of(where, case.candidates, users=eight, slots=eight), case.efficiency, case.overheads)
    assert (found.tpot_s[0] - found.step.total_s[0]) * 3999 == pytest.approx(15 * prompt.added_s[0], rel=0.05)
