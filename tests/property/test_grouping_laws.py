"""Laws of grouping: nothing is lost, nothing is invented, and every replica fits on every device of its group."""

from hypothesis import given
from hypothesis import strategies as st

from budsim.core.hardware.grouping import MEMORY_BANDS, hardware_groups
from budsim.core.hardware.spec import Device, HardwareMode
from budsim.core.units import GB
from tests.support.hardware_clusters import cluster, node

USED_GB = st.floats(0, 90, allow_nan=False)


@given(st.lists(st.lists(USED_GB, min_size=1, max_size=4), min_size=1, max_size=4))
def test_every_shared_gpu_is_in_one_group_or_named_as_left_out(nodes: list[list[float]]) -> None:
    hosts = [
        node(
            f"n{index}",
            *(
                Device(
                    name="H100",
                    type="cuda",
                    available_count=1,
                    memory_bytes=80 * GB,
                    memory_allocated_bytes=used * GB,
                    device_uuid=f"{index}-{i}",
                )
                for i, used in enumerate(each)
            ),
        )
        for index, each in enumerate(nodes)
    ]
    found = hardware_groups(cluster(*hosts), HardwareMode.SHARED)
    free = {f"{index}-{i}": 81_559 * 2**20 - used * GB for index, each in enumerate(nodes) for i, used in enumerate(each)}
    grouped = {device: group.memory_bytes for group in found.groups for share in group.nodes for device in share.device_ids}

    assert len(found.groups) <= MEMORY_BANDS
    assert set(grouped) == {device for device, left in free.items() if left > 0}
    assert len(found.rejected) == sum(left <= 0 for left in free.values())
    assert all(planned <= free[device] for device, planned in grouped.items())


@given(st.permutations([("a", 8), ("b", 4), ("c", 2)]))
def test_the_order_of_the_nodes_changes_no_count(nodes: list[tuple[str, int]]) -> None:
    found = hardware_groups(
        cluster(*(node(name, Device(name="NVIDIA L40S", type="cuda", available_count=count)) for name, count in nodes)),
        HardwareMode.DEDICATED,
    )

    assert [group.total_devices for group in found.groups] == [14]
    assert {share.node_name: share.devices for share in found.groups[0].nodes} == {"a": 8, "b": 4, "c": 2}
