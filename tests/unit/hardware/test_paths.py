"""The link between two devices: bridges, NVLink domains, PCIe, sockets, nodes."""

from dataclasses import replace

import numpy as np
import pytest

from budsim.core.hardware.catalogue import catalogue, links
from budsim.core.hardware.figures import accelerator_of
from budsim.core.hardware.grouping import hardware_groups
from budsim.core.hardware.interconnects import named_interconnect
from budsim.core.hardware.paths import hops, link_within_node, links_within_node
from budsim.core.hardware.placement import place
from budsim.core.hardware.spec import Device, HardwareMode, Link
from budsim.core.units import GB
from tests.support.hardware_clusters import cluster, group, node

ALL_SIZES = [2, 4, 8]


def bandwidths_gb(name: str) -> list[float]:
    return [link_within_node(catalogue()[name], devices=devices).bandwidth_bytes_per_s / GB for devices in ALL_SIZES]


@pytest.mark.parametrize(
    ("name", "each_way_gb"),
    [
        ("H100-SXM-80GB", [450, 450, 450]),  # NVSwitch joins all eight
        ("H100-NVL-94GB", [300, 64, 64]),  # a bridge joins two, the rest goes over PCIe 5
        ("H200-NVL-141GB", [450, 450, 64]),  # bridges of four
        ("L40S-48GB", [32, 32, 32]),  # PCIe 4 alone
        ("MI210-64GB", [150, 150, 32]),  # bridges of four
        ("XEON-8480+", [144, 144, 144]),  # UPI between the sockets
    ],
)
def test_a_group_larger_than_its_bridge_talks_over_pcie(name: str, each_way_gb: list[float]) -> None:
    assert bandwidths_gb(name) == each_way_gb


@pytest.mark.parametrize("name", ["H100-SXM-80GB", "H100-NVL-94GB", "H200-NVL-141GB", "XEON-8480+"])
def test_columns_of_links_are_the_links_one_by_one(name: str) -> None:
    device = catalogue()[name]
    columns = links_within_node(device, np.array(ALL_SIZES))
    singly = [link_within_node(device, devices=devices) for devices in ALL_SIZES]

    assert columns.bandwidth_bytes_per_s.tolist() == [link.bandwidth_bytes_per_s for link in singly]
    assert columns.latency_s.tolist() == [link.latency_s for link in singly]


def test_stages_on_one_node_hop_within_it_and_others_between_nodes() -> None:
    device = catalogue()["H100-SXM-80GB"]
    # TP 2 × PP 3 on 4 + 2 devices: two stages on the first node, the third on the second
    across = place(group(4, 2, 1), tensor_parallel=2, pipeline_parallel=3, replicas=1)[0]

    assert hops(device, across) == (device.intra_node, device.inter_node)


def test_a_pipeline_over_two_bridged_pairs_hops_over_pcie() -> None:
    pairs = place(group(4, 4, device="H100-NVL-94GB"), tensor_parallel=2, pipeline_parallel=2, replicas=1)[0]

    assert hops(catalogue()["H100-NVL-94GB"], pairs) == (links()["pcie5"],)


def test_a_replica_of_one_stage_has_no_hops() -> None:
    assert hops(catalogue()["H100-SXM-80GB"], place(group(8), tensor_parallel=8, pipeline_parallel=1, replicas=1)[0]) == ()


@pytest.mark.parametrize(
    ("wording", "gb_per_s"),
    [
        ("InfiniBand NDR", 50),
        ("ib-hdr", 25),
        ("InfiniBand XDR 800G", 100),
        ("HDR100", 12.5),
        ("RoCE 400G", 50),
        ("100GbE", 12.5),
        ("25 Gb/s Ethernet", 3.125),
        ("50 GB/s", 50),
        ("EFA 400Gbps", 50),
        ("NVL72", 900),
        ("NVIDIA GB300 NVL72 rack", 900),
        ("multi-node NVLink", 900),
    ],
)
def test_the_interconnect_of_a_node_names_the_link_between_nodes(wording: str, gb_per_s: float) -> None:
    named = named_interconnect(wording, within_node=links()["nvlink5"])

    assert named is not None
    assert named.bandwidth_bytes_per_s == pytest.approx(gb_per_s * GB)


@pytest.mark.parametrize("wording", [None, "", "infiniband", "ethernet", "fast", "PCIe", "NVLink"])
def test_a_wording_without_rate_or_generation_names_no_link(wording: str | None) -> None:
    assert named_interconnect(wording, within_node=links()["nvlink5"]) is None


def test_remote_memory_access_exchanges_sooner_than_plain_ethernet() -> None:
    roce, plain = (named_interconnect(text, within_node=links()["pcie5"]) for text in ("RoCE 100G", "100GbE"))

    assert roce is not None and plain is not None
    assert roce.bandwidth_bytes_per_s == plain.bandwidth_bytes_per_s
    assert roce.latency_s < plain.latency_s


def test_a_sent_bandwidth_wins_over_the_interconnect_and_over_the_catalogue() -> None:
    sent = Device(name="NVIDIA GB200", type="cuda", available_count=4, inter_node_bandwidth_bytes_per_s=7e9)

    assert accelerator_of(sent, interconnect="NVL72").inter_node.bandwidth_bytes_per_s == 7e9
    assert accelerator_of(replace(sent, inter_node_bandwidth_bytes_per_s=None)).inter_node == links()["ib-xdr"]


def test_the_nodes_of_a_rack_wide_nvlink_domain_talk_over_nvlink() -> None:
    rack = cluster(*(node(name, Device(name="NVIDIA GB200", type="cuda", available_count=4), interconnect="NVL72") for name in "ab"))

    found = hardware_groups(rack, HardwareMode.DEDICATED).groups[0].accelerator
    assert found.inter_node == found.intra_node == links()["nvlink5"]


def test_a_sent_link_joins_all_devices_of_a_node() -> None:
    sent = Device(name="NVIDIA H100 NVL", type="cuda", available_count=8, intra_node_bandwidth_bytes_per_s=100e9)

    found = accelerator_of(sent)
    assert (found.joined_devices, found.beyond) == (None, None)
    assert link_within_node(found, devices=8) == Link(bandwidth_bytes_per_s=100e9, latency_s=found.intra_node.latency_s)


def test_nodes_with_different_interconnects_are_planned_on_the_slower() -> None:
    h100 = Device(name="H100 SXM5", type="cuda", available_count=8)
    mixed = cluster(node("a", h100, interconnect="InfiniBand NDR"), node("b", h100, interconnect="100GbE"))

    found = hardware_groups(mixed, HardwareMode.DEDICATED).groups
    assert [each.accelerator.inter_node.bandwidth_bytes_per_s for each in found] == [12.5e9]
