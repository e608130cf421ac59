"""Rooflines of whole steps, worked by hand for Llama-3.1-8B and Mixtral on an A100 that reaches its peaks."""

from dataclasses import replace

import numpy as np
import pytest

from budsim.core.engines.candidates import Candidates
from budsim.core.hardware.spec import Link
from budsim.core.latency.collectives import ring_bytes
from budsim.core.latency.operators import expert_work
from budsim.core.latency.roofline import WIDENING_SHARE, dense_peak_flop_per_s, linear_peak_flop_per_s
from budsim.core.latency.steps import decode_demand, peaks_of, prompt_demand
from budsim.core.latency.timing import decode_time, prompt_time
from budsim.core.model.quantize import quantize
from budsim.core.model.spec import Quantization
from tests.support.physics_shapes import FREE, IDEAL, candidate, device, gqa, ideal, llama_8b, mixtral, scenario


def decoded(where, *rows, sequences=1.0, context=0.0):
    n = len(rows)
    columns = Candidates.from_rows(rows)
    demand = decode_demand(where, columns, sequences=np.full(n, sequences), context=np.full(n, context))
    return decode_time(demand, peaks_of(where), IDEAL, FREE)


def prefilled(where, row, tokens):
    columns = Candidates.from_rows([row])
    demand = prompt_demand(where, columns, prompt=np.array([tokens]))
    return prompt_time(demand, peaks_of(where), IDEAL, FREE)


def test_one_token_costs_the_weights_once_over_the_bandwidth():
    # a layer: attention 4096·(4096 + 2·1024) + 4096·4096 = 41,943,040; MLP 3·4096·14336 = 176,160,768; together 218,103,808
    # 32 layers 6,979,321,856 + LM head 128256·4096 = 525,336,576 → 7,504,658,432 × 2 B = 15,009,316,864 B
    # ÷ 2.039e12 B/s = 7.3611 ms; the embedding is looked up, not read
    step = decoded(scenario(), candidate())
    assert step.total_s[0] == pytest.approx(7.3611e-3, rel=1e-4)


def test_the_cache_is_read_once_a_token():
    # 131,072 B a token × 1,000 tokens × 8 sequences = 1.048576e9 B ÷ 2.039e12 = 0.51426 ms above the empty cache
    empty = decoded(scenario(), candidate(), sequences=8.0)
    filled = decoded(scenario(), candidate(), sequences=8.0, context=1000.0)
    assert filled.total_s[0] - empty.total_s[0] == pytest.approx(0.51426e-3, rel=1e-3)


def test_a_prompt_costs_its_work_over_the_peak():
    # linear 2·6,979,321,856·1000 = 1.395864e13; ÷ 312e12 = 44.739 ms
    # attention 4·32·128·(1000²/2)·32 layers = 2.62144e11 FLOP → 0.8402 ms; the LM head is bound by its 1.0507e9 B → 0.5153 ms
    time = prefilled(scenario(), candidate(), 1000.0)
    assert time.total_s[0] == pytest.approx(46.094e-3, rel=1e-4)


def test_a_prompt_in_chunks_reads_the_weights_again():
    whole = prefilled(scenario(), candidate(max_num_batched_tokens=64), 64.0)
    four = prefilled(scenario(), candidate(max_num_batched_tokens=16), 64.0)
    # 64 tokens are bound by weights (64·2·P / 312e12 = 2.9 ms < 6.8 ms), so four chunks of 16 cost three times 13,958,643,712 B more,
    # and 1.5 times the 64·131,072 B of cache: (41,875,931,136 + 12,582,912) / 2.039e12 = 20.543 ms, attention itself staying below
    assert four.bandwidth_s[0] - whole.bandwidth_s[0] == pytest.approx(20.543e-3, rel=1e-3)


@pytest.mark.parametrize(
    ("tokens", "experts_read"),
    [
        (1.0, 2.0),  # B = 1 reads k of E
        (2.0, 3.5),  # 8·(1 − (6/8)²)
        (1000.0, 8.0),  # B → ∞ reads all
    ],
)
def test_mixture_reads_the_experts_that_are_touched(tokens, experts_read):
    # attention and router 41,943,040 + 8·4096 = 41,975,808 a layer; an expert 176,160,768; LM head 32000·4096 = 131,072,000
    read_bytes = 2 * (32 * (41_975_808 + experts_read * 176_160_768) + 131_072_000)
    step = decoded(scenario(model=mixtral()), candidate(), sequences=tokens)
    assert step.bandwidth_s[0] == pytest.approx(read_bytes / 2.039e12, rel=1e-6)


def test_a_format_of_the_experts_alone_leaves_the_other_layers_wide():
    # mxfp4 experts of 4.25 bits, 2 of 8 read a token: 2·176,160,768·4.25/8 = 187,170,816 B a layer; attention and router 41,975,808·2 B
    # = 83,951,616 B; 32 layers 8,675,917,824 B, and the LM head 131,072,000·2 B
    narrow = replace(mixtral(), quantization=Quantization(method="mxfp4", weight_bits=4, group_size=32, experts_only=True))
    step = decoded(scenario(model=narrow), candidate())
    assert step.bandwidth_s[0] == pytest.approx((8_675_917_824 + 262_144_000) / 2.039e12, rel=1e-6)
    # and they are multiplied as they are, while the experts' weights are widened first
    assert dense_peak_flop_per_s(device(), narrow) == 312e12
    assert linear_peak_flop_per_s(device(), narrow) == pytest.approx(312e12 * WIDENING_SHARE)


def test_expert_parallel_waits_for_the_heaviest_rank():
    sharded = decoded(scenario(model=mixtral()), candidate(tensor_parallel=4), sequences=4.0)
    by_expert = decoded(scenario(model=mixtral()), candidate(tensor_parallel=4, expert_parallel=4), sequences=4.0)
    assert by_expert.bandwidth_s[0] > sharded.bandwidth_s[0]
    # with every expert touched each rank reads all it has, and both read the same
    many = [decoded(scenario(model=mixtral()), candidate(tensor_parallel=4, expert_parallel=ep), sequences=500.0) for ep in (1, 4)]
    assert many[1].bandwidth_s[0] == pytest.approx(many[0].bandwidth_s[0], rel=1e-6)


def test_tensor_parallel_halves_the_roofline_and_adds_reduces():
    alone, pair = decoded(scenario(), candidate(), candidate(tensor_parallel=2), sequences=1.0).operators_s
    assert pair == pytest.approx(alone / 2)
    # one token of 4096 × 2 B: 2·(1/2)·8192/3e11 = 0.0273 µs + 5 µs; 64 of them = 321.75 µs
    assert decoded(scenario(), candidate(tensor_parallel=2)).communication_s[0] == pytest.approx(321.75e-6, rel=1e-4)


def test_a_single_device_does_not_communicate():
    assert decoded(scenario(), candidate()).communication_s[0] == 0.0


def test_a_group_larger_than_its_bridge_reduces_over_what_lies_beyond():
    # pairs are bridged at 3e11 B/s and 5 µs, all else goes over 5e10 B/s and 20 µs, or between nodes over 2.5e10 B/s and 10 µs:
    # 64 reduces of 2·(t − 1)/t · 8,192 B
    bridged = replace(device(), joined_devices=2, beyond=Link(bandwidth_bytes_per_s=5e10, latency_s=20e-6))
    rows = [candidate(tensor_parallel=devices) for devices in (1, 2, 4, 16)]
    expected = [0.0, 8192 / 3e11 + 5e-6, 1.5 * 8192 / 5e10 + 20e-6, 1.875 * 8192 / 2.5e10 + 10e-6]
    times = decoded(scenario(on=bridged), *rows).communication_s
    assert times == pytest.approx([64 * each for each in expected], rel=1e-6)
    alone = [decode_demand(scenario(on=bridged), row, sequences=1.0, context=0.0).link_latency_s for row in rows]
    assert alone == [5e-6, 5e-6, 20e-6, 10e-6]


def test_a_ring_sends_twice_what_is_not_its_own_share():
    # 2·(3/4)·1e6 B over four devices, nothing from a single one
    rows = ideal(scenario(), candidate(tensor_parallel=4), candidate()).candidates
    assert ring_bytes(rows, np.array([1e6, 1e6])) == pytest.approx([1.5e6, 0.0])


def test_a_window_caps_what_attention_reads():
    model = llama_8b()
    windowed = replace(model, blocks=(replace(model.blocks[0], attention=gqa(window=512)),))
    short, long = (decoded(scenario(model=windowed), candidate(), context=tokens).total_s[0] for tokens in (512.0, 50_000.0))
    assert long == pytest.approx(short)


def test_heads_beyond_the_kv_heads_are_replicated():
    # 8 KV heads over 16 devices: each keeps one head, as over 8
    eight, sixteen = (
        decoded(scenario(), candidate(tensor_parallel=tp), sequences=1.0, context=1e6).bandwidth_s[0]
        - decoded(scenario(), candidate(tensor_parallel=tp), sequences=1.0).bandwidth_s[0]
        for tp in (8, 16)
    )
    assert sixteen == pytest.approx(eight)


def test_narrow_weights_without_a_narrow_path_are_widened():
    plain = linear_peak_flop_per_s(device(), llama_8b())
    assert plain == 312e12
    assert linear_peak_flop_per_s(device(), quantize(llama_8b(), "fp8")) == pytest.approx(plain * WIDENING_SHARE)  # A100 has no fp8
    hopper = replace(device(), fp8_flop_per_s=1979e12)
    assert linear_peak_flop_per_s(hopper, quantize(llama_8b(), "fp8")) == 1979e12
    assert linear_peak_flop_per_s(hopper, quantize(llama_8b(), "awq")) == pytest.approx(plain * WIDENING_SHARE)


@pytest.mark.parametrize("split", [1, 2])
def test_activations_between_operators_are_moved_whole_by_every_device(split):
    # ten passes of 1,000 tokens of 8,192 B through 32 layers: 2.62144e9 B / 2.039e12 = 1.2857 ms, whatever the tensor parallelism
    moving = replace(IDEAL, passes=10.0)
    columns = Candidates.from_rows([candidate(tensor_parallel=split)])
    demand = prompt_demand(scenario(), columns, prompt=np.array([1000.0]))
    plain, moved = (prompt_time(demand, peaks_of(scenario()), each, FREE) for each in (IDEAL, moving))
    assert moved.total_s[0] - plain.total_s[0] == pytest.approx(1.2857e-3, rel=1e-3)


def test_every_copy_that_goes_to_an_expert_is_moved():
    # four passes of two copies of 1,000 tokens of 8,192 B through 32 layers: 2.097152e9 B / 2.039e12 = 1.0285 ms
    where = scenario(model=mixtral())
    columns = Candidates.from_rows([candidate()])
    demand = prompt_demand(where, columns, prompt=np.array([1000.0]))
    plain, moved = (prompt_time(demand, peaks_of(where), each, FREE) for each in (IDEAL, replace(IDEAL, routed_passes=4.0)))
    assert moved.total_s[0] - plain.total_s[0] == pytest.approx(1.0285e-3, rel=1e-3)


def test_the_experts_of_all_ranks_share_the_prompt_of_one():
    where = scenario(model=mixtral())
    rows = Candidates.from_rows([candidate(), candidate(data_parallel=4)])
    alone, shared = prompt_demand(where, rows, prompt=np.array([1000.0, 1000.0])).experts.flop
    assert shared == pytest.approx(alone / 4)


def test_the_heaviest_of_four_ranks_lies_one_deviation_above_the_mean():
    # 64 experts, two of them a token: eight tokens touch 1 − (31/32)⁸ = 0.2243 of them. Over four ranks the maximum of the counts lies
    # 0.9956 deviations above the mean: 1 + 0.9956·√(4/64)·√(0.7757/0.2243) = 1.4629
    feed = replace(mixtral().blocks[0].feed_forward, experts=64)
    model = replace(mixtral(), blocks=(replace(mixtral().blocks[0], feed_forward=feed),))
    rows = Candidates.from_rows([candidate(tensor_parallel=4, expert_parallel=ep) for ep in (1, 4)])
    split, whole = expert_work(model, rows, np.array([8.0, 8.0])).moved_bytes
    assert whole / split == pytest.approx(1.4629, rel=1e-3)
