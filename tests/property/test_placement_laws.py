"""Laws of layouts and placement on any nodes."""

from collections import Counter
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from budsim.core.hardware.placement import place
from budsim.core.hardware.topology import max_replicas, valid_layouts
from tests.support.hardware_clusters import group

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
    placed = place(devices, tensor_parallel=tensor, pipeline_parallel=pipeline, replicas=held)
    stages = [stage for replica in placed for stage in replica.stages]
    used = Counter(device for stage in stages for device in stage.device_ids)

    assert all(len(replica.stages) == pipeline for replica in placed)
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
