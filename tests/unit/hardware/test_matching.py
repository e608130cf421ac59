"""Sent devices: matched by names and memory, overlaid by what was sent, or refused with what is missing."""

import pytest

from budsim.core.errors import UnknownDevice
from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.figures import accelerator_of
from budsim.core.hardware.matching import match
from budsim.core.hardware.spec import Device, DeviceType
from budsim.core.units import GB, MIB, TERA


def cuda(name: str, memory_gb: float | None = None, **more: object) -> Device:
    fields = {"name": name, "type": "cuda", "available_count": 1, "memory_bytes": None if memory_gb is None else memory_gb * GB}
    return Device(**{**fields, **more})  # type: ignore[arg-type]


def named(device: Device) -> str | None:
    found = match(device)
    return None if found is None else found.name


@pytest.mark.parametrize(
    ("name", "memory_gb", "meant"),
    [
        ("A100", 80, "A100-SXM-80GB"),
        ("A100", 79.6, "A100-SXM-80GB"),  # A100-80GB is 81,920 MiB = 80.0 GiB = 85.9 GB
        ("A100", 85.9, "A100-SXM-80GB"),
        ("A100", 40, "A100-SXM-40GB"),
        ("A100", 42.9, "A100-SXM-40GB"),  # 40,960 MiB
        ("A100", 60, None),
        ("NVIDIA-A100-SXM4-80GB", 40, "A100-SXM-40GB"),  # the memory contradicts the name
        ("NVIDIA-A100-SXM4-40GB", 80, "A100-SXM-80GB"),
        ("NVIDIA-A100-PCIE-40GB", 80, "A100-PCIE-80GB"),
        ("NVIDIA-A100-SXM4-80GB", 20, "A100-SXM-80GB"),  # no A100 has 20 GB: the name's size stands
        ("H100", 79, "H100-SXM-80GB"),
        ("H100", 94, "H100-NVL-94GB"),
        ("Tesla V100-SXM2", 31.7, "V100-SXM-32GB"),
        ("GH200", 144, "GH200-144GB"),
        ("GH200", 95.6, "GH200-96GB"),
        ("B200", 192, "B200-180GB"),
    ],
)
def test_the_sent_memory_picks_the_variant(name: str, memory_gb: float, meant: str | None) -> None:
    assert named(cuda(name, memory_gb)) == meant


def test_mi250_is_a_die_or_a_card_by_its_memory() -> None:
    assert named(cuda("MI250", 64, type="rocm")) == "MI250-DIE-64GB"
    assert named(cuda("MI250", 128, type="rocm")) == "MI250-128GB"


def test_a_later_name_narrows_an_earlier_one() -> None:
    assert named(cuda("A100", 80, device_model="NVIDIA-A100-PCIE-80GB")) == "A100-PCIE-80GB"
    assert named(cuda("H100", raw_name="NVIDIA-H100-PCIe")) == "H100-PCIE-80GB"
    assert named(cuda("NVIDIA-H100-NVL", raw_name="H100 in slot 3", memory_bytes=94 * GB)) == "H100-NVL-94GB"
    assert named(cuda("gpu-0", device_model="NVIDIA L40S")) == "L40S-48GB"
    assert named(cuda("NVIDIA L40S", raw_name="10de:26b9")) == "L40S-48GB"


def test_a_device_is_only_matched_within_its_type() -> None:
    assert named(cuda("NVIDIA L40S", type="rocm")) is None
    assert named(cuda("AMD Instinct MI300X", type="gpu", vendor="amd")) == "MI300X-192GB"
    assert named(cuda("AMD Instinct MI300X", type="gpu")) == "MI300X-192GB"
    assert named(cuda("AMD EPYC 9654 96-Core Processor", type="gpu")) is None


@pytest.mark.parametrize("sent_gb", [79, 79.65, 80, 81.559, 85.52])
def test_a_memory_near_the_known_size_is_read_as_the_usable_one(sent_gb: float) -> None:
    assert accelerator_of(cuda("NVIDIA-H100-80GB-HBM3", sent_gb)).memory_bytes == 81_559 * MIB


def test_any_other_sent_figure_wins_over_the_catalogue() -> None:
    sent = cuda(
        "NVIDIA-H100-80GB-HBM3",
        47,
        bandwidth_bytes_per_s=3e12,
        fp16_flop_per_s=900e12,
        intra_node_latency_s=9e-6,
        inter_node_bandwidth_bytes_per_s=12e9,
    )
    found, known = accelerator_of(sent), catalogue()["H100-SXM-80GB"]

    assert (found.memory_bytes, found.memory_class_gb) == (47e9, 80)
    assert (found.bandwidth_bytes_per_s, found.fp16_flop_per_s) == (3e12, 900e12)
    assert (found.intra_node.latency_s, found.intra_node.bandwidth_bytes_per_s) == (9e-6, known.intra_node.bandwidth_bytes_per_s)
    assert found.inter_node.bandwidth_bytes_per_s == 12e9
    assert found.fp8_flop_per_s == known.fp8_flop_per_s
    assert found.source.startswith("sent by the cluster over: ")


def test_an_unknown_device_with_memory_bandwidth_and_peak_is_built_from_them() -> None:
    found = accelerator_of(cuda("Frobnicator 9000", 96, bandwidth_bytes_per_s=4e12, fp16_flop_per_s=500 * TERA, vendor="Acme"))

    assert (found.name, found.vendor, found.device_type) == ("Frobnicator 9000", "Acme", DeviceType.CUDA)
    assert (found.memory_bytes, found.memory_class_gb, found.bandwidth_bytes_per_s, found.fp16_flop_per_s) == (96e9, 96, 4e12, 500e12)
    assert found.source == "sent by the cluster"


def test_an_unknown_device_is_refused_with_the_figures_that_are_missing() -> None:
    with pytest.raises(UnknownDevice) as raised:
        accelerator_of(cuda("Frobnicator 9000", 96))

    assert "Frobnicator 9000" in raised.value.message
    assert "hbm_bandwidth_in_GB_per_sec, peak_fp16_TFLOPS was not sent" in raised.value.message
    assert "mem_per_GPU_in_GB" not in raised.value.message


def test_an_a100_of_unknown_size_is_refused() -> None:
    with pytest.raises(UnknownDevice, match="mem_per_GPU_in_GB"):
        accelerator_of(cuda("A100"))


def test_a_mig_slice_is_refused_even_with_all_figures() -> None:
    with pytest.raises(UnknownDevice, match="MIG slice"):
        accelerator_of(cuda("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", 5, bandwidth_bytes_per_s=2e11, fp16_flop_per_s=4e13))


def test_a_cpu_takes_its_memory_from_the_cluster_split_over_its_sockets() -> None:
    host = cuda("Intel(R) Xeon(R) Platinum 8480+", 512, type="cpu_high", sockets=2)

    assert accelerator_of(host).memory_bytes == 256e9
    assert accelerator_of(host).memory_class_gb == 256


def test_a_cpu_without_memory_is_refused() -> None:
    with pytest.raises(UnknownDevice, match="memory_gb"):
        accelerator_of(cuda("Intel(R) Xeon(R) Platinum 8480+", type="cpu"))


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(UnknownDevice, match="xpu"):
        accelerator_of(cuda("Data Center GPU Max 1550", 128, type="xpu"))
