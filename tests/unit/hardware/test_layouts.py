"""Layouts on the real nodes: valid or not, how many replicas, and where they stand."""

import pytest

from budsim.core.errors import InvalidDeployment
from budsim.core.hardware.placement import place
from budsim.core.hardware.spec import HardwareMode
from budsim.core.hardware.topology import is_valid_layout, max_replicas, model_divides, valid_layouts
from tests.support.hardware_clusters import group


def layouts(*devices: int, **more: int) -> set[tuple[int, int]]:
    return {(shape.tensor_parallel, shape.pipeline_parallel) for shape in valid_layouts(group(*devices), **more)}


@pytest.mark.parametrize(("tensor", "pipeline", "replicas"), [(4, 1, 5), (4, 2, 2), (4, 3, 1), (8, 1, 2), (8, 2, 1)])
def test_twenty_gpus_on_three_nodes_hold_the_replicas_of_the_contract(tensor: int, pipeline: int, replicas: int) -> None:
    assert max_replicas(group(8, 8, 4), tensor_parallel=tensor, pipeline_parallel=pipeline) == replicas


def test_eight_by_three_is_invalid_there_as_the_third_node_has_four() -> None:
    assert not is_valid_layout(group(8, 8, 4), tensor_parallel=8, pipeline_parallel=3)
    assert max_replicas(group(8, 8, 4), tensor_parallel=8, pipeline_parallel=3) == 0


def test_pipeline_stages_may_share_a_node_but_not_outnumber_the_nodes() -> None:
    # 2 × 1 devices on node 0 carry both stages; a third stage would have devices but no third node
    assert layouts(4, 1) == {(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (4, 1)}


def test_tensor_parallel_stays_on_a_node() -> None:
    # three nodes of 2: TP 3 or 4 finds no node though there are 6 devices
    assert layouts(2, 2, 2) == {(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)}


def test_uneven_nodes_waste_their_rests() -> None:
    # TP 3 on 8, 7, 2: 2 + 2 + 0 stages
    uneven = group(8, 7, 2)

    assert [max_replicas(uneven, tensor_parallel=3, pipeline_parallel=deep) for deep in (1, 2, 3, 4)] == [4, 2, 1, 0]


def test_a_node_without_free_devices_is_no_stage() -> None:
    assert layouts(2, 0) == {(1, 1), (2, 1)}
    assert layouts() == set()


def test_bounds_narrow_the_layouts() -> None:
    assert layouts(4, 4, max_tensor_parallel=2, max_pipeline_parallel=1) == {(1, 1), (2, 1)}


def test_cpus_have_no_pipeline() -> None:
    sockets = group(2, 2, device="XEON-8480+")

    assert [(shape.tensor_parallel, shape.pipeline_parallel) for shape in valid_layouts(sockets)] == [(1, 1), (2, 1)]


def test_shared_devices_stand_alone() -> None:
    slices = group(4, 4, mode=HardwareMode.SHARED)

    assert [(shape.tensor_parallel, shape.pipeline_parallel) for shape in valid_layouts(slices)] == [(1, 1)]
    assert max_replicas(slices, tensor_parallel=1, pipeline_parallel=1) == 8


@pytest.mark.parametrize(("tensor", "pipeline"), [(0, 1), (1, 0), (-1, 1)])
def test_degrees_start_at_one(tensor: int, pipeline: int) -> None:
    assert not is_valid_layout(group(8, 8), tensor_parallel=tensor, pipeline_parallel=pipeline)


@pytest.mark.parametrize(
    ("heads", "layers", "tensor", "pipeline", "divides"),
    [
        (32, 32, 4, 2, True),
        (12, 28, 3, 1, True),
        (32, 32, 3, 1, False),
        (14, 24, 4, 1, False),
        (32, 2, 1, 3, False),
        (71, 32, 71, 32, True),
    ],
)
def test_a_model_divides_by_its_heads_and_layers(heads: int, layers: int, tensor: int, pipeline: int, divides: bool) -> None:
    assert model_divides(query_heads=heads, layers=layers, tensor_parallel=tensor, pipeline_parallel=pipeline) is divides


def test_replicas_take_the_tightest_node() -> None:
    placed = place(group(8, 4, 2), tensor_parallel=2, pipeline_parallel=1, replicas=3)

    assert [replica.stages[0].node_name for replica in placed] == ["n2", "n1", "n1"]


def test_a_pipeline_stands_on_one_node_where_one_holds_it() -> None:
    placed = place(group(4, 8), tensor_parallel=4, pipeline_parallel=2, replicas=1)

    assert [stage.node_name for stage in placed[0].stages] == ["n1", "n1"]
    assert [stage.device_ids for stage in placed[0].stages] == [
        ("gpu-1-0", "gpu-1-1", "gpu-1-2", "gpu-1-3"),
        ("gpu-1-4", "gpu-1-5", "gpu-1-6", "gpu-1-7"),
    ]


def test_the_third_pipeline_of_twenty_gpus_is_refused_with_the_number_that_fits() -> None:
    with pytest.raises(InvalidDeployment, match=r"hold 2\. Ask for at most 2"):
        place(group(8, 8, 4), tensor_parallel=4, pipeline_parallel=2, replicas=3)
