"""The candidate space, enumerated by hand."""

from dataclasses import replace

import pytest

from budsim.core.engines.spec import EngineKind
from budsim.core.hardware.spec import DeviceType, HardwareMode
from budsim.core.model.catalogue import catalogue_model
from budsim.core.search.genome import space_of
from budsim.core.search.part import Layout
from budsim.core.search.space import concurrency_grid, divides, layouts_for, replicas_held_each
from tests.support.search_fakes import make_engine, make_group, make_load, make_model, make_part


def planned(part, layouts):
    space = space_of(part, layouts)
    return space.candidates(space.loads)


def shapes(part):
    return [(layout.tensor_parallel, layout.pipeline_parallel) for layout in layouts_for(part)]


def test_on_one_node_of_eight_the_powers_of_two_divide_32_heads():
    assert shapes(make_part(group=make_group(nodes=(8,)))) == [(1, 1), (2, 1), (4, 1), (8, 1)]


def test_on_two_nodes_a_pipeline_has_its_stages_on_either():
    # TP 3 does not divide 32 heads; every stage needs its TP devices on one node
    assert shapes(make_part(group=make_group(nodes=(4, 2)))) == [(1, 1), (2, 1), (1, 2), (4, 1), (2, 2)]


def test_a_cpu_an_engine_without_pipelines_and_a_slice_are_not_split_that_way():
    two = make_group(nodes=(2, 2))
    assert shapes(make_part(group=replace(two, accelerator=make_group(device_type=DeviceType.CPU).accelerator))) == [(1, 1), (2, 1)]
    assert shapes(make_part(group=two, engine=make_engine(pipeline=False))) == [(1, 1), (2, 1)]
    assert shapes(make_part(group=replace(two, mode=HardwareMode.SHARED))) == [(1, 1)]
    assert shapes(make_part(group=two, engine=make_engine(EngineKind.LITELLM))) == [(1, 1)]


def test_a_group_without_devices_has_no_layout():
    assert shapes(make_part(group=make_group(nodes=(0,)))) == []


@pytest.mark.parametrize(
    ("model", "tensor_parallel", "expected"),
    [
        (make_model(query_heads=40, kv_heads=8, intermediate_size=17_408), 8, True),
        (make_model(query_heads=14, kv_heads=2, intermediate_size=4_864), 4, False),  # 14 heads over 4
        (make_model(query_heads=32, kv_heads=2, intermediate_size=4_864), 4, True),  # 2 KV heads, each on 2 devices
        (make_model(query_heads=40, kv_heads=10, intermediate_size=17_920), 4, False),  # 10 KV heads over 4: neither divides
        (make_model(query_heads=32, kv_heads=32, intermediate_size=11_009), 2, False),  # an odd feed-forward width
    ],
)
def test_a_model_divides_where_its_heads_and_widths_do(model, tensor_parallel, expected):
    assert divides(model, Layout(tensor_parallel=tensor_parallel, pipeline_parallel=1)) is expected


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("Qwen/Qwen3-235B-A22B-FP8", 4),  # experts of 1,536: over 8 devices 192, no multiple of blocks of 128
        ("Qwen/Qwen3-30B-A3B-FP8", 2),  # experts of 768
        ("deepseek-ai/DeepSeek-V3", 16),  # experts of 2,048
        ("TheBloke/Llama-2-7B-Chat-AWQ", 2),  # 11,008 over 4 devices are 21.5 groups of 128
    ],
)
def test_no_scale_of_quantised_weights_is_cut(name, most):
    model = catalogue_model(name)
    degrees = [degree for degree in (1, 2, 4, 8, 16) if divides(model, Layout(tensor_parallel=degree, pipeline_parallel=1))]
    assert max(degrees) == most
    plain = replace(model, quantization=None)
    assert divides(plain, Layout(tensor_parallel=2 * most, pipeline_parallel=1))


def test_a_pipeline_is_no_longer_than_the_model_is_deep():
    assert divides(make_model(layers=2), Layout(tensor_parallel=1, pipeline_parallel=2))
    assert not divides(make_model(layers=2), Layout(tensor_parallel=1, pipeline_parallel=3))


def test_the_grid_holds_powers_of_two_the_target_and_its_even_divisions():
    # 100 over 1…4 replicas: 100, 50, 34, 25
    assert concurrency_grid(make_part(load=make_load(concurrency=100)), max_replicas=4) == (1, 2, 4, 8, 16, 25, 32, 34, 50, 64, 100)


def test_the_grid_ends_at_what_an_engine_may_hold_in_flight():
    load = make_load(concurrency=5000)
    assert max(concurrency_grid(make_part(load=load), max_replicas=2)) == 1024
    assert max(concurrency_grid(make_part(load=load, engine=make_engine(EngineKind.LITELLM)), max_replicas=2)) == 100


def test_the_lightest_load_that_carries_the_target_is_always_there():
    # 640 replicas of 1 device hold a target of 3,000 with ceil(3000/640) = 5 users each
    assert 5 in concurrency_grid(make_part(load=make_load(concurrency=3000)), max_replicas=640)


def test_an_arrival_rate_is_planned_over_powers_of_two():
    part = make_part(load=make_load(concurrency=None, request_rate_per_s=3.0))
    assert concurrency_grid(part, max_replicas=8) == (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def test_every_candidate_admits_the_users_it_is_planned_for_and_the_space_stays_small():
    part = make_part(group=make_group(nodes=(8, 8, 8, 8)), load=make_load(concurrency=1000))
    space = planned(part, layouts_for(part))
    assert (space.max_num_seqs >= space.concurrency).all()
    assert len(space) <= 500


def test_replicas_held_follow_the_layout_of_each_candidate():
    # nodes of 8 and 4: TP=1 12 times, TP=8 once
    part = make_part(group=make_group(nodes=(8, 4)), load=make_load(concurrency=1))
    space = planned(part, (Layout(tensor_parallel=1, pipeline_parallel=1), Layout(tensor_parallel=8, pipeline_parallel=1)))
    assert set(zip(space.tensor_parallel.tolist(), replicas_held_each(part, space).tolist(), strict=True)) == {(1, 12), (8, 1)}
