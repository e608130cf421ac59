"""The rules of grouping, one by one."""

from typing import Any

import pytest

from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.grouping import Grouping, hardware_groups
from budsim.core.hardware.spec import Device, HardwareMode, Node
from budsim.core.units import GB, MIB
from tests.support.hardware_clusters import cluster, node

H100_BYTES = 81_559 * MIB


def gpu(count: int = 8, name: str = "NVIDIA-H100-80GB-HBM3", **more: Any) -> Device:
    return Device(**{"name": name, "type": "cuda", "available_count": count, **more})


def hami(core: float = 0, memory: float = 0, **more: Any) -> Device:
    """Return one physical GPU as HAMI reports it; its count is that of the slices it may be cut into."""
    return gpu(10, **{"core_utilization_percent": core, "memory_utilization_percent": memory, **more})


def cpu(count: int = 1, **more: Any) -> Device:
    fields = {"name": "Intel(R) Xeon(R) Platinum 8480+", "type": "cpu", "available_count": count, "memory_bytes": 512 * GB, **more}
    return Device(**fields)


def dedicated(*nodes: Node, skip_master_for_cpu: bool = True) -> Grouping:
    return hardware_groups(cluster(*nodes), HardwareMode.DEDICATED, skip_master_for_cpu=skip_master_for_cpu)


def shared(*nodes: Node) -> Grouping:
    return hardware_groups(cluster(*nodes), HardwareMode.SHARED)


def counts(grouping: Grouping) -> dict[str, list[int]]:
    return {group.accelerator.name: [share.devices for share in group.nodes] for group in grouping.groups}


def reasons(grouping: Grouping) -> list[str]:
    return [rejected.reason for rejected in grouping.rejected]


def test_devices_of_one_type_and_model_are_one_group_over_the_nodes() -> None:
    found = dedicated(node("a", gpu(8)), node("b", gpu(4, name="H100 SXM5")))

    assert counts(found) == {"H100-SXM-80GB": [8, 4]}
    assert found.groups[0].total_devices == 12
    assert found.groups[0].key == "c1|cuda"


def test_mixed_models_are_separate_groups() -> None:
    found = dedicated(node("a", gpu(8), gpu(4, name="NVIDIA L40S")))

    assert counts(found) == {"H100-SXM-80GB": [8], "L40S-48GB": [4]}


def test_a_cpu_variant_keeps_its_label() -> None:
    found = dedicated(node("a", cpu(type="cpu_high"), cpu()))

    assert sorted(group.device_label for group in found.groups) == ["cpu", "cpu_high"]
    assert {group.accelerator.device_type for group in found.groups} == {"cpu"}


@pytest.mark.parametrize(
    ("vendor", "name", "label"),
    [
        ("amd", "AMD Instinct MI300X", "rocm"),
        ("ATI", "MI300X", "rocm"),
        ("Intel", "HL-225", "hpu"),
        ("NVIDIA", "L40S", "cuda"),
        (None, "L40S", "cuda"),
    ],
)
def test_a_plain_gpu_is_told_apart_by_its_vendor(vendor: str | None, name: str, label: str) -> None:
    found = dedicated(node("a", Device(name=name, type="gpu", available_count=1, vendor=vendor)))

    assert [group.device_label for group in found.groups] == [label]


def test_only_ready_and_schedulable_nodes_count() -> None:
    found = dedicated(node("a", gpu(8)), node("b", gpu(8), ready=False), node("c", gpu(8), schedulable=False))

    assert counts(found) == {"H100-SXM-80GB": [8]}
    assert [(each.node, each.reason) for each in found.rejected] == [
        ("b", "the node's status is not true"),
        ("c", "the node is not schedulable"),
    ]


def test_cpus_of_masters_are_skipped_but_not_their_gpus() -> None:
    master = node("m", cpu(), gpu(2), is_master=True)

    assert counts(dedicated(master)) == {"H100-SXM-80GB": [2]}
    assert reasons(dedicated(master)) == ["CPUs of master nodes are skipped"]
    assert counts(dedicated(master, skip_master_for_cpu=False)) == {"H100-SXM-80GB": [2], "XEON-8480+": [1]}


def test_dedicated_takes_the_free_count_where_no_utilisation_is_reported() -> None:
    found = dedicated(node("a", gpu(3)), node("b", gpu(0)))

    assert counts(found) == {"H100-SXM-80GB": [3]}
    assert reasons(found) == ["available_count is 0"]


def test_dedicated_takes_a_hami_gpu_only_when_both_figures_are_0() -> None:
    found = dedicated(node("a", hami(), hami(core=5), hami(memory=10), hami(core=5, memory=10)))

    assert counts(found) == {"H100-SXM-80GB": [1]}
    assert reasons(found) == [
        "in use: core utilisation 5 %",
        "in use: memory utilisation 10 %",
        "in use: core utilisation 5 %, memory utilisation 10 %",
    ]


@pytest.mark.parametrize("busy", ["core_utilization_percent", "memory_utilization_percent"])
def test_one_reported_figure_of_utilisation_is_enough_to_tell(busy: str) -> None:
    idle, used = gpu(**{busy: 0.0}), gpu(**{busy: 0.5})

    assert counts(dedicated(node("a", idle))) == {"H100-SXM-80GB": [1]}
    assert dedicated(node("a", used)).groups == ()


def test_an_hpu_device_is_one_card() -> None:
    found = dedicated(node("a", Device(name="HL-225", type="hpu", available_count=8)), node("b", gpu(2, name="HL-325L", type="hpu")))

    assert counts(found) == {"GAUDI2-96GB": [8], "GAUDI3-128GB": [2]}
    assert {group.key for group in found.groups} == {"c1|hpu"}


def test_look_alikes_of_one_cluster_do_not_share_a_group() -> None:
    names = ("NVIDIA-H100-80GB-HBM3", "NVIDIA-H100-NVL", "NVIDIA-H100-PCIe", "NVIDIA-H800")
    found = dedicated(*(node(name, gpu(4, name=name)) for name in names))

    assert [group.total_devices for group in found.groups] == [4, 4, 4, 4]


def test_a_mig_slice_is_left_out_with_the_reason_while_its_neighbours_stand() -> None:
    found = dedicated(node("a", gpu(7, name="NVIDIA-A100-SXM4-80GB-MIG-1g.10gb"), gpu(2)))

    assert counts(found) == {"H100-SXM-80GB": [2]}
    assert "MIG slice" in reasons(found)[0]


def test_an_idle_hami_gpu_is_free_whatever_its_count() -> None:
    assert counts(dedicated(node("a", hami(available_count=0)))) == {"H100-SXM-80GB": [1]}


def test_hami_gpus_of_one_node_count_together_with_their_ids() -> None:
    found = dedicated(node("a", *(hami(device_uuid=f"GPU-{i}") for i in range(4))), node("b", hami(device_uuid="GPU-9")))

    assert counts(found) == {"H100-SXM-80GB": [4, 1]}
    assert [share.device_ids for share in found.groups[0].nodes] == [("GPU-0", "GPU-1", "GPU-2", "GPU-3"), ("GPU-9",)]


def test_ids_are_left_out_unless_every_device_has_its_own() -> None:
    half_named = dedicated(node("a", hami(device_uuid="GPU-0"), hami()))
    same_name = dedicated(node("a", hami(device_uuid="GPU-0"), hami(device_uuid="GPU-0")))

    assert [group.nodes[0].device_ids for found in (half_named, same_name) for group in found.groups] == [(), ()]


@pytest.mark.parametrize(("used", "free"), [(0.0, True), (5.5, True), (5.6, False), (60.0, False)])
def test_a_cpu_high_is_free_under_5_percent_of_its_112_cores(used: float, free: bool) -> None:
    # 5 % of 112 cores = 5.6
    found = dedicated(node("a", cpu(type="cpu_high", cores=112, utilized_cores=used)))

    assert bool(found.groups) is free


def test_a_plain_cpu_is_free_by_its_count_however_busy() -> None:
    assert counts(dedicated(node("a", cpu(1, cores=112, utilized_cores=60.0)))) == {"XEON-8480+": [1]}
    assert reasons(dedicated(node("a", cpu(0)))) == ["available_count is 0"]


def test_a_cpu_device_is_a_socket_with_its_share_of_the_memory() -> None:
    found = dedicated(node("a", cpu(1, sockets=2, utilized_memory_bytes=12 * GB)))

    assert counts(found) == {"XEON-8480+": [2]}
    assert found.groups[0].memory_bytes == 250 * GB  # (512 − 12) / 2


def test_a_count_of_cores_is_not_taken_for_sockets() -> None:
    assert reasons(dedicated(node("a", cpu(112)))) == ["available_count 112 is no count of sockets: send sockets"]


def test_shared_needs_the_allocated_memory() -> None:
    found = shared(node("a", gpu(8), hami(core=40, memory=30, memory_allocated_bytes=30 * GB)))

    assert counts(found) == {"H100-SXM-80GB": [1]}
    assert reasons(found) == ["memory_allocated_gb is not reported, without which a device cannot be shared"]


def test_a_slice_has_the_free_memory_and_the_figures_of_the_whole_device() -> None:
    found = shared(node("a", hami(memory_bytes=80 * GB, memory_allocated_bytes=30 * GB))).groups[0]

    assert found.memory_bytes == H100_BYTES - 30 * GB
    assert found.accelerator == catalogue()["H100-SXM-80GB"]


def test_a_full_device_offers_no_slice() -> None:
    found = shared(node("a", hami(memory_allocated_bytes=86 * GB)))

    assert found.groups == ()
    assert reasons(found) == ["no memory is free of 86 GB"]


def test_shared_gives_one_slice_per_physical_device() -> None:
    found = shared(node("a", *(hami(memory_allocated_bytes=10 * GB) for _ in range(3))))

    assert counts(found) == {"H100-SXM-80GB": [3]}


def test_a_nearly_full_device_does_not_spoil_the_slices_of_the_others() -> None:
    # Free: 75.5, 70.5 and 5.5 of 85.5 GB. Eighths of 75.5 are 9.4 GB: the first two lie in the highest, the third in the lowest.
    found = shared(node("a", *(hami(memory_allocated_bytes=used * GB) for used in (10, 15, 80))))

    assert [(group.total_devices, group.memory_bytes) for group in found.groups] == [
        (2, H100_BYTES - 15 * GB),
        (1, H100_BYTES - 80 * GB),
    ]


def test_a_shared_cpu_needs_free_memory() -> None:
    found = shared(node("a", cpu(0, utilized_memory_bytes=500 * GB)), node("b", cpu(1, utilized_memory_bytes=512 * GB)))

    assert [(group.memory_bytes, group.total_devices) for group in found.groups] == [(12 * GB, 1)]
    assert reasons(found) == ["no memory is free of 512 GB"]


def test_a_partly_allocated_dedicated_device_shrinks_by_that_memory() -> None:
    assert dedicated(node("a", hami(memory_allocated_bytes=1 * GB))).groups[0].memory_bytes == H100_BYTES - 1 * GB


def test_a_device_nobody_knows_is_named_with_what_is_missing() -> None:
    found = dedicated(node("a", gpu(4, name="Frobnicator 9000"), gpu(2)))

    assert counts(found) == {"H100-SXM-80GB": [2]}
    assert [(each.node, each.device) for each in found.rejected] == [("a", "Frobnicator 9000")]
    assert "Send mem_per_GPU_in_GB, hbm_bandwidth_in_GB_per_sec, peak_fp16_TFLOPS" in found.rejected[0].reason


def test_a_cluster_or_node_without_devices_is_named() -> None:
    assert reasons(dedicated()) == ["the cluster reports no nodes"]
    assert reasons(dedicated(node("a"))) == ["the node reports no devices"]


def test_where_nodes_differ_the_group_has_the_slowest_figures() -> None:
    found = dedicated(node("a", gpu(8)), node("b", gpu(8, bandwidth_bytes_per_s=2e12)))

    assert [group.accelerator.bandwidth_bytes_per_s for group in found.groups] == [2e12]
    assert found.groups[0].total_devices == 16
