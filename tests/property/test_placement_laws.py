"""Laws of layouts and placement on any nodes."""

from collections import Counter
from dataclasses import replace
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from budsim.core.hardware.placement import ReplicaPlacement, StagePlacement, place
from budsim.core.hardware.spec import HardwareGroup
from budsim.core.hardware.topology import max_replicas, valid_layouts
from budsim.core.ranking.placement import placed
from budsim.core.ranking.recommendation import RankedConfiguration
from budsim.core.search.direct import direct_search
from budsim.core.search.part import Configuration, SearchTask
from budsim.core.search.space import layouts_for
from tests.support.hardware_clusters import group
from tests.support.search_fakes import FakeMemory, FakePredictor, make_part

NODES = st.lists(st.integers(0, 16), max_size=6)
DEGREES = st.integers(1, 9)


@given(NODES)
@settings(max_examples=60)
def test_every_valid_layout_can_be_placed_as_often_as_promised(nodes: list[int]) -> None:
    devices = group(*nodes)
    for shape in valid_layouts(devices):
        degrees = {"tensor_parallel": shape.tensor_parallel, "pipeline_parallel": shape.pipeline_parallel}
        held = max_replicas(devices, **degrees)
        assert held >= 1
        assert len(place(devices, **degrees, replicas=held)) == held


@given(NODES, DEGREES, DEGREES)
def test_no_device_is_used_twice_and_every_stage_is_whole(nodes: list[int], tensor: int, pipeline: int) -> None:
    devices = group(*nodes)
    held = max_replicas(devices, tensor_parallel=tensor, pipeline_parallel=pipeline)
    replicas = place(devices, tensor_parallel=tensor, pipeline_parallel=pipeline, replicas=held)
    stages = [stage for replica in replicas for stage in replica.stages]
    used = Counter(device for stage in stages for device in stage.device_ids)

    assert all(len(replica.stages) == pipeline for replica in replicas)
    assert all(stage.devices == tensor == len(stage.device_ids) for stage in stages)
    assert all(times == 1 for times in used.values())
    assert set(used) <= {device for share in devices.nodes for device in share.device_ids}
    assert all(device.startswith(f"gpu-{stage.node_name[1:]}-") for stage in stages for device in stage.device_ids)


@given(st.lists(st.integers(0, 16), min_size=1, max_size=6), DEGREES, DEGREES, st.data())
def test_one_more_device_never_holds_fewer_replicas(nodes: list[int], tensor: int, pipeline: int, data: st.DataObject) -> None:
    where = data.draw(st.integers(0, len(nodes) - 1))
    more = [count + (index == where) for index, count in enumerate(nodes)]
    before = max_replicas(group(*nodes), tensor_parallel=tensor, pipeline_parallel=pipeline)

    assert max_replicas(group(*more), tensor_parallel=tensor, pipeline_parallel=pipeline) >= before


@given(st.lists(st.integers(0, 5), max_size=3), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=150)
def test_the_replica_count_is_that_of_trying_every_packing(nodes: list[int], tensor: int, pipeline: int) -> None:
    allowed = pipeline <= sum(count > 0 for count in nodes)
    tried = _most_replicas(tuple(sorted(nodes)), tensor, pipeline, 0) if allowed else 0

    assert max_replicas(group(*nodes), tensor_parallel=tensor, pipeline_parallel=pipeline) == tried


@cache
def _most_replicas(free: tuple[int, ...], tensor: int, pipeline: int, stages: int) -> int:
    """Return the most whole replicas after trying every node for the next stage; `stages` are those of the open replica."""
    best = 0
    for index, count in enumerate(free):
        if count >= tensor:
            left = tuple(sorted((*free[:index], count - tensor, *free[index + 1 :])))
            done = stages + 1 == pipeline
            best = max(best, done + _most_replicas(left, tensor, pipeline, 0 if done else stages + 1))
    return best


@given(NODES, DEGREES, DEGREES, st.floats(0.0, 1.0))
@settings(max_examples=300)
def test_replicas_stand_where_choosing_a_node_for_each_in_turn_puts_them(
    nodes: list[int], tensor: int, pipeline: int, share: float
) -> None:
    devices = group(*nodes)
    degrees = {"tensor_parallel": tensor, "pipeline_parallel": pipeline}
    replicas = round(share * max_replicas(devices, **degrees))
    assert place(devices, **degrees, replicas=replicas) == _one_by_one(devices, tensor, pipeline, replicas)


def _one_by_one(devices: HardwareGroup, tensor: int, pipeline: int, replicas: int) -> tuple[ReplicaPlacement, ...]:
    """Return replicas put one by one: on the tightest node that holds what is missing, else on the roomiest, the first of its like."""
    left = [list(node.device_ids) for node in devices.nodes]
    standing = []
    for _ in range(replicas):
        stages: list[StagePlacement] = []
        while len(stages) < pipeline:
            wanted = tensor * (pipeline - len(stages))
            enough = [index for index, ids in enumerate(left) if len(ids) >= wanted]
            at = min(enough, key=lambda index: len(left[index])) if enough else max(range(len(left)), key=lambda index: len(left[index]))
            node = devices.nodes[at]
            for _ in range(min(pipeline - len(stages), len(left[at]) // tensor)):
                ids, left[at] = tuple(left[at][:tensor]), left[at][tensor:]
                stages.append(StagePlacement(node_id=node.node_id, node_name=node.node_name, devices=tensor, device_ids=ids))
        standing.append(ReplicaPlacement(stages=tuple(stages)))
    return tuple(standing)


@given(NODES, DEGREES, DEGREES, st.booleans())
def test_what_is_answered_stands_on_the_nodes_of_its_stages(nodes: list[int], tensor: int, pipeline: int, named: bool) -> None:
    devices = group(*nodes)
    if not named:
        devices = replace(devices, nodes=tuple(replace(node, device_ids=()) for node in devices.nodes))
    held = max_replicas(devices, tensor_parallel=tensor, pipeline_parallel=pipeline)
    stages = [replica.stages for replica in place(devices, tensor_parallel=tensor, pipeline_parallel=pipeline, replicas=held)]
    answered = placed(_ranked(devices, tensor, pipeline, held)).placement

    assert len(answered) == held
    for replica, parts in zip(answered, stages, strict=True):
        by_node = Counter[str]()
        for stage in parts:
            by_node[stage.node_id] += stage.devices
        assert {node.node_id: node.devices for node in replica.nodes} == by_node
        assert sorted(id_ for node in replica.nodes for id_ in node.device_ids) == sorted(
            id_ for stage in parts for id_ in stage.device_ids
        )


def _ranked(devices: HardwareGroup, tensor: int, pipeline: int, replicas: int) -> RankedConfiguration:
    found = _any_configuration()
    candidate = replace(found.candidate, tensor_parallel=tensor, pipeline_parallel=pipeline)
    return RankedConfiguration(part=make_part(group=devices), configuration=replace(found, candidate=candidate, replicas=replicas))


@cache
def _any_configuration() -> Configuration:
    part = make_part()
    task = SearchTask(part=part, layouts=layouts_for(part), blacklist=())
    return direct_search(task, FakePredictor(), FakeMemory()).configurations[0]
