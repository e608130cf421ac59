"""Laws no constant may break: rooflines, monotone costs, limits that collapse to the simple case."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from budsim.core.engines.candidates import Candidates
from budsim.core.engines.spec import EngineKind
from budsim.core.hardware.catalogue import catalogue
from budsim.core.latency.constants import shipped_constants
from budsim.core.latency.operators import touched_share
from budsim.core.latency.scheduler import steady_latency
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.model.parameters import active_parameter_count, embedding_parameters
from budsim.core.model.quantize import quantize
from budsim.core.model.spec import FeedForwardSpec, LayerBlock, Precision
from budsim.core.predictors.heuristic import HeuristicPredictor
from tests.support.physics_shapes import candidate, device, gqa, llama_8b, scenario

MEMORY = AnalyticMemory()
PREDICTOR = HeuristicPredictor(memory=MEMORY)
DEVICES = [replace(each, memory_bytes=each.memory_bytes or 256e9) for each in catalogue().values()]


@st.composite
def models(draw):
    heads = draw(st.sampled_from([8, 16, 32, 64]))
    attention = gqa(
        query_heads=heads,
        kv_heads=draw(st.sampled_from([each for each in (1, 2, 4, 8) if heads % each == 0])),
        head_dim=draw(st.sampled_from([64, 128])),
        window=draw(st.sampled_from([None, 512, 4096])),
    )
    experts = draw(st.sampled_from([0, 8, 64]))
    feed_forward = FeedForwardSpec(
        intermediate_size=0 if experts else draw(st.sampled_from([4096, 14_336])),
        experts=experts,
        experts_per_token=2 if experts else 0,
        expert_intermediate_size=1024 if experts else 0,
    )
    block = LayerBlock(count=draw(st.integers(2, 80)), attention=attention, feed_forward=feed_forward)
    return replace(llama_8b(), hidden_size=draw(st.sampled_from([1024, 4096, 8192])), blocks=(block,))


ENGINES = st.sampled_from([EngineKind.VLLM, EngineKind.SGLANG])
LENGTHS = st.tuples(st.integers(1, 20_000), st.integers(1, 4000))


@st.composite
def rows(draw):
    experts = draw(st.booleans())
    split, ranks = draw(st.sampled_from([1, 2, 4, 8])), draw(st.sampled_from([1, 1, 2, 8]))
    return candidate(
        concurrency=draw(st.integers(1, 600)),
        tensor_parallel=split,
        pipeline_parallel=draw(st.sampled_from([1, 1, 2])),
        data_parallel=ranks,
        expert_parallel=split * ranks if experts else 1,
        max_num_seqs=draw(st.sampled_from([64, 256, 1024])),
        max_num_batched_tokens=draw(st.sampled_from([512, 2048, 8192])),
        kv_precision=draw(st.sampled_from([Precision.BF16, Precision.FP8])),
    )


def predict(where, *each):
    return PREDICTOR.predict(where, Candidates.from_rows(each))


@settings(max_examples=200, deadline=None)
@given(models(), st.sampled_from(DEVICES), ENGINES, LENGTHS, rows())
def test_nothing_is_faster_than_its_roofline(model, on, engine, lengths, row):
    where = scenario(model=model, on=on, engine=engine, input_tokens=lengths[0], output_tokens=lengths[1])
    found = predict(where, row)
    # a step reads at least what one token meets, split over a stage's devices; a prompt does at least its linear work, over all of them
    # the router (experts × hidden) and norms are met but hardly read: a percent below the count is still a bound
    met = 0.98 * (active_parameter_count(model) - embedding_parameters(model))
    stage = row.tensor_parallel * row.data_parallel
    assert found.tpot_s[0] >= met * 2 / stage / on.bandwidth_bytes_per_s
    linear = met - model.vocab_size * model.hidden_size
    assert found.ttft_s[0] >= 2 * linear * lengths[0] / on.fp16_flop_per_s / stage / row.pipeline_parallel
    assert found.e2e_s[0] >= found.ttft_s[0] + (lengths[1] - 1) * found.tpot_s[0] * 0.999


@settings(max_examples=100, deadline=None)
@given(models(), st.sampled_from(DEVICES), LENGTHS, rows(), st.integers(1, 5000), st.integers(1, 500))
def test_more_tokens_need_neither_less_memory_nor_less_time(model, on, lengths, row, more_in, more_out):
    shorter = scenario(model=model, on=on, input_tokens=lengths[0], output_tokens=lengths[1])
    longer = scenario(model=model, on=on, input_tokens=lengths[0] + more_in, output_tokens=lengths[1] + more_out)
    columns = Candidates.from_rows([row])
    assert MEMORY.plan(longer, columns).total_bytes[0] >= MEMORY.plan(shorter, columns).total_bytes[0]
    assert MEMORY.plan(longer, columns).max_concurrency[0] <= MEMORY.plan(shorter, columns).max_concurrency[0]
    assert predict(longer, row).e2e_s[0] >= predict(shorter, row).e2e_s[0] * (1 - 1e-9)


@settings(max_examples=100, deadline=None)
@given(models(), st.sampled_from(DEVICES), LENGTHS, rows(), st.integers(1, 400))
def test_more_users_never_make_a_request_faster(model, on, lengths, row, more):
    where = scenario(model=model, on=on, input_tokens=lengths[0], output_tokens=lengths[1])
    found = predict(where, row, replace(row, concurrency=row.concurrency + more))
    for column in (found.ttft_s, found.tpot_s, found.e2e_s):
        assert column[1] >= column[0] * (1 - 1e-9)


@settings(max_examples=100, deadline=None)
@given(models(), st.sampled_from(DEVICES), LENGTHS, rows(), st.integers(1, 400))
def test_what_fits_fits_with_fewer_users(model, on, lengths, row, more):
    where = scenario(model=model, on=on, input_tokens=lengths[0], output_tokens=lengths[1])
    plan = MEMORY.plan(where, Candidates.from_rows([row, replace(row, concurrency=row.concurrency + more)]))
    assert plan.fits[0] or not plan.fits[1]
    running = min(row.concurrency, row.max_num_seqs)
    assert not plan.fits[0] or plan.max_concurrency[0] >= running


@settings(max_examples=100, deadline=None)
@given(models(), LENGTHS, rows(), st.floats(1.0, 10.0))
def test_a_faster_device_is_never_slower(model, lengths, row, factor):
    plain = device()
    for faster in (
        replace(plain, bandwidth_bytes_per_s=plain.bandwidth_bytes_per_s * factor),
        replace(plain, fp16_flop_per_s=plain.fp16_flop_per_s * factor),
        replace(plain, intra_node=replace(plain.intra_node, bandwidth_bytes_per_s=3e11 * factor)),
    ):
        sizes = {"input_tokens": lengths[0], "output_tokens": lengths[1]}
        alone = replace(row, concurrency=1)
        slow, fast = (predict(scenario(model=model, on=on, **sizes), row, alone) for on in (plain, faster))
        assert (fast.e2e_s <= slow.e2e_s * (1 + 1e-9)).all()
        # in a crowd a first token may come later: users who are answered sooner ask again sooner
        assert fast.ttft_s[1] <= slow.ttft_s[1] * (1 + 1e-9)


@settings(max_examples=150, deadline=None)
@given(models(), st.sampled_from(DEVICES), ENGINES, st.integers(64, 20_000), st.sampled_from([1, 2, 3, 10, 1000]), rows())
def test_no_load_is_answered_faster_than_its_prompts_and_tokens_can_be_computed(model, on, engine, prompt, output, row):
    where = scenario(model=model, on=on, engine=engine, input_tokens=prompt, output_tokens=output)
    requests_per_s = row.concurrency / predict(where, row).e2e_s[0]
    met = 0.98 * (active_parameter_count(model) - embedding_parameters(model)) - model.vocab_size * model.hidden_size
    assert requests_per_s * 2 * met * (prompt + output - 1) <= on.fp16_flop_per_s * row.devices


@settings(max_examples=60, deadline=None)
@given(models(), st.sampled_from(["fp8", "int8", "awq", "gptq", "nf4", "mxfp4"]), rows())
def test_quantised_weights_are_never_larger(model, method, row):
    columns = Candidates.from_rows([row])
    plain, narrow = (MEMORY.plan(scenario(model=each), columns).weights_bytes[0] for each in (model, quantize(model, method)))
    assert narrow <= plain


@settings(max_examples=60, deadline=None)
@given(models(), LENGTHS, st.integers(1, 600))
def test_a_single_device_does_not_communicate_whatever_its_links(model, lengths, users):
    plain = device()
    cut = replace(plain, intra_node=replace(plain.intra_node, bandwidth_bytes_per_s=1.0, latency_s=1e3))
    row = candidate(concurrency=users)
    both = [predict(scenario(model=model, on=on, input_tokens=lengths[0], output_tokens=lengths[1]), row).e2e_s[0] for on in (plain, cut)]
    assert both[0] == both[1]


@given(st.integers(1, 32), st.integers(0, 224), st.floats(1.0, 1e4))
def test_experts_touched_lie_between_one_tokens_and_all(per_token, idle, tokens):
    share = per_token / (per_token + idle)
    touched = touched_share(share, np.array([1.0, tokens, tokens + 1.0, 1e9]))
    assert np.isclose(touched[0], share)
    assert share * (1 - 1e-9) <= touched[1] <= touched[2] <= 1.0
    assert np.isclose(touched[3], 1.0)


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(1, 64), st.sampled_from([1, 2, 8]))
def test_a_window_that_nothing_outgrows_changes_nothing(lengths, users, split):
    model = llama_8b()
    wide = replace(model, blocks=(replace(model.blocks[0], attention=gqa(window=1_000_000)),))
    row = candidate(concurrency=users, tensor_parallel=split)
    both = [predict(scenario(model=each, input_tokens=lengths[0], output_tokens=lengths[1]), row).e2e_s[0] for each in (model, wide)]
    assert np.isclose(both[0], both[1])


@settings(max_examples=60, deadline=None)
@given(LENGTHS, rows())
def test_one_expert_that_every_token_meets_is_a_dense_layer(lengths, row):
    dense = llama_8b()
    routed = FeedForwardSpec(intermediate_size=0, experts=1, experts_per_token=1, expert_intermediate_size=14_336)
    single = replace(dense, blocks=(replace(dense.blocks[0], feed_forward=routed),))
    row = replace(row, data_parallel=1, expert_parallel=1)
    times = []
    for model in (dense, single):
        where = scenario(model=model, input_tokens=lengths[0], output_tokens=lengths[1])
        case = shipped_constants().case(where, Candidates.from_rows([row]))
        even = replace(case.efficiency, per_routed_layer_s=0.0, expert_compute=1.0, expert_bandwidth=case.efficiency.bandwidth)
        case = replace(case, efficiency=even)
        times.append(steady_latency(case, MEMORY.plan(where, case.candidates)).tpot_s[0])
    # the router is a matter of 4,096 weights a layer, and the roofline of the parts may exceed that of their sum
    assert times[1] >= times[0] * (1 - 1e-9)
    assert times[1] <= times[0] * 1.25
