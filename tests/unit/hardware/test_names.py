"""Names as labels, nvidia-smi, rocm-smi, hl-smi and /proc/cpuinfo write them: some seen in the wild, some to their patterns."""

import pytest

from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.matching import match_name
from tests.support.device_names import SEEN

WRITTEN = {
    "V100-SXM-16GB": ["Tesla V100-SXM2-16GB", "Tesla-V100-SXM2-16GB", "NVIDIA-Tesla-V100-SXM2-16GB"],
    "V100-SXM-32GB": ["Tesla V100-SXM2-32GB", "Tesla-V100-SXM2-32GB-SHARED", "Tesla V100-DGXS-32GB", "Tesla V100-SXM3-32GB"],
    "V100-16GB": ["Tesla V100-PCIE-16GB", "Tesla-V100-PCIE-16GB", "Tesla V100-FHHL-16GB"],
    "V100-PCIE-32GB": ["Tesla V100-PCIE-32GB"],
    "T4-16GB": ["Tesla T4", "Tesla-T4", "NVIDIA T4", "NVIDIA-T4", "Tesla-T4-SHARED", "NVIDIA Tesla T4"],
    "A2-16GB": ["NVIDIA A2"],
    "A10-24GB": ["NVIDIA A10", "NVIDIA-A10", "A10-24GB"],
    "A10G-24GB": ["NVIDIA A10G", "NVIDIA-A10G", "NVIDIA-A10G-SHARED"],
    "A16-16GB": ["NVIDIA A16"],
    "A30-24GB": ["NVIDIA A30", "NVIDIA-A30"],
    "A40-48GB": ["NVIDIA A40", "NVIDIA-A40", "A40"],
    "A100-SXM-40GB": ["NVIDIA A100-SXM4-40GB", "NVIDIA-A100-SXM4-40GB", "A100-SXM4-40GB", "A100-SXM-40GB", "nvidia-a100-sxm4-40gb"],
    "A100-SXM-80GB": [
        "NVIDIA A100-SXM4-80GB",
        "NVIDIA-A100-SXM4-80GB",
        "NVIDIA-A100-SXM4-80GB-SHARED",
        "A100-SXM4-80GB",
        "A100 80GB",
        "A100-80GB (form factor not stated)",
        "NVIDIA A100-SXM-80GB",
    ],
    "A100-PCIE-40GB": ["NVIDIA A100-PCIE-40GB", "NVIDIA-A100-PCIE-40GB", "A100-PCIE-40GB"],
    "A100-PCIE-80GB": ["NVIDIA A100 80GB PCIe", "NVIDIA-A100-80GB-PCIe", "A100-PCIE-80GB"],
    "A800-SXM-80GB": ["NVIDIA A800-SXM4-80GB", "NVIDIA-A800-SXM4-80GB"],
    "A800-PCIE-80GB": ["NVIDIA A800 80GB PCIe"],
    "L4-24GB": ["NVIDIA L4", "NVIDIA-L4", "L4"],
    "L20-48GB": ["NVIDIA L20"],
    "L40-48GB": ["NVIDIA L40", "NVIDIA-L40"],
    "L40S-48GB": ["NVIDIA L40S", "NVIDIA-L40S", "L40S", "L40S-48GB", "nvidia-l40s"],
    "H20-96GB": ["NVIDIA H20", "NVIDIA-H20"],
    "H100-PCIE-80GB": ["NVIDIA H100 PCIe", "NVIDIA-H100-PCIe", "H100-PCIE-80GB", "NVIDIA H100 80GB PCIe"],
    "H100-SXM-80GB": [
        "NVIDIA H100 80GB HBM3",
        "NVIDIA-H100-80GB-HBM3",
        "NVIDIA_H100_80GB_HBM3",
        "NVIDIA-H100-80GB-HBM3-SHARED",
        "H100 SXM5",
        "NVIDIA H100-SXM5-80GB",
        "NVIDIA H100 SXM5 80 GB",
        "H100",
        "h100-sxm-80gb",
        "NVIDIA H100 Tensor Core GPU",
    ],
    "H100-NVL-94GB": ["NVIDIA H100 NVL", "NVIDIA-H100-NVL", "H100 NVL 94GB"],
    "H800-SXM-80GB": ["NVIDIA H800", "NVIDIA-H800"],
    "H800-PCIE-80GB": ["NVIDIA H800 PCIe"],
    "H200-SXM-141GB": ["NVIDIA H200", "NVIDIA-H200", "H200 141GB HBM3e", "NVIDIA H200 SXM5"],
    "H200-NVL-141GB": ["NVIDIA H200 NVL", "NVIDIA-H200-NVL"],
    "GH200-96GB": ["NVIDIA GH200 480GB", "NVIDIA-GH200-480GB", "NVIDIA GH200 120GB"],
    "GH200-144GB": ["NVIDIA GH200 144G HBM3e", "NVIDIA-GH200-144G-HBM3e"],
    "B200-180GB": ["NVIDIA B200", "NVIDIA-B200"],
    "B300-288GB": ["NVIDIA B300 SXM6 AC", "NVIDIA-B300-SXM6-AC"],
    "GB200-192GB": ["NVIDIA GB200", "NVIDIA-GB200"],
    "GB300-288GB": ["NVIDIA GB300", "NVIDIA-GB300"],
    "RTX3090-24GB": ["NVIDIA GeForce RTX 3090", "NVIDIA-GeForce-RTX-3090", "GeForce RTX 3090"],
    "RTX4090-24GB": ["NVIDIA GeForce RTX 4090", "NVIDIA-GeForce-RTX-4090", "RTX 4090"],
    "RTX5090-32GB": ["NVIDIA GeForce RTX 5090"],
    "RTXA4000-16GB": ["NVIDIA RTX A4000", "Quadro RTX A4000"],
    "RTXA5000-24GB": ["NVIDIA RTX A5000"],
    "RTXA6000-48GB": ["NVIDIA RTX A6000", "NVIDIA-RTX-A6000", "RTX A6000 48GB"],
    "RTX6000ADA-48GB": ["NVIDIA RTX 6000 Ada Generation", "NVIDIA-RTX-6000-Ada-Generation"],
    "RTXPRO6000-96GB": [
        "NVIDIA RTX PRO 6000 Blackwell Server Edition",
        "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition",
    ],
    "RTXPRO6000WS-96GB": ["NVIDIA RTX PRO 6000 Blackwell Workstation Edition"],
    "RTXPRO6000MAXQ-96GB": ["NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition"],
    "MI100-32GB": ["AMD Instinct MI100", "AMD_Instinct_MI100"],
    "MI210-64GB": ["AMD Instinct MI210", "AMD_Instinct_MI210", "740f"],
    "MI250X-DIE-64GB": ["AMD Instinct MI250X"],
    "MI250-DIE-64GB": ["AMD INSTINCT MI250 (MCM) OAM AC MBA 64GB"],
    "MI300A-128GB": ["AMD Instinct MI300A"],
    "MI300X-192GB": [
        "AMD Instinct MI300X OAM",
        "AMD_Instinct_MI300X_OAM",
        "AMD-Instinct-MI300X",
        "AMD Instinct MI300X VF",
        "AMD Instinct MI300X-NPS1-SPX-192GB-750W",
        "MI300X",
        "0x74a1",
    ],
    "MI325X-256GB": ["AMD Instinct MI325X", "AMD Instinct MI325X 256GB HBM3e"],
    "MI350X-288GB": ["AMD Instinct MI350X", "AMD Instinct MI350 OAM", "AMD Instinct MI350X 288GB HBM3e"],
    "MI355X-288GB": ["AMD Instinct MI355X", "AMD_Instinct_MI355X_OAM"],
    "GAUDI2-96GB": ["HL-225", "HL-225H", "HL-225B", "Gaudi2", "Intel Gaudi 2", "Intel(R) Gaudi(R) 2", "Habana Gaudi2 HL-225H"],
    "GAUDI3-128GB": ["HL-325L", "HL-325", "Intel Gaudi 3", "GAUDI3-128GB", "Intel Gaudi 3 AI Accelerator", "HL-325L Gaudi3"],
    "GAUDI3-PCIE-128GB": ["HL-338"],
    "XEON-8259CL": ["Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz"],
    "XEON-8280": ["Intel(R) Xeon(R) Platinum 8280 CPU @ 2.70GHz"],
    "XEON-6248": ["Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz"],
    "XEON-6330": ["Intel(R) Xeon(R) Gold 6330 CPU @ 2.00GHz"],
    "XEON-6338": ["Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz"],
    "XEON-8358": ["Intel(R) Xeon(R) Platinum 8358 CPU @ 2.60GHz"],
    "XEON-8370C": ["Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz"],
    "XEON-8375C": ["Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz", "XEON-8375C-128T"],
    "XEON-8380": ["Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz"],
    "XEON-6430": ["Intel(R) Xeon(R) Gold 6430", "Intel-R-Xeon-R-Gold-6430"],
    "XEON-6448Y": ["Intel(R) Xeon(R) Gold 6448Y"],
    "XEON-8462Y+": ["Intel(R) Xeon(R) Platinum 8462Y+"],
    "XEON-8468": ["Intel(R) Xeon(R) Platinum 8468"],
    "XEON-8480+": ["Intel(R) Xeon(R) Platinum 8480+", "Intel-Xeon-Platinum-8480", "Xeon 8480+"],
    "XEON-8488C": ["Intel(R) Xeon(R) Platinum 8488C", "XEON-8488C-96T"],
    "XEON-8490H": ["Intel(R) Xeon(R) Platinum 8490H"],
    "XEON-8592+": ["INTEL(R) XEON(R) PLATINUM 8592+"],
    "XEON-6530": ["INTEL(R) XEON(R) GOLD 6530"],
    "XEON-6767P": ["Intel(R) Xeon(R) 6767P"],
    "XEON-6787P": ["Intel(R) Xeon(R) 6787P", "INTEL(R) XEON(R) 6787P"],
    "XEON-6980P": ["Intel(R) Xeon(R) 6980P"],
    "EPYC-7742": ["AMD EPYC 7742 64-Core Processor"],
    "EPYC-7763": ["AMD EPYC 7763 64-Core Processor"],
    "EPYC-7R13": ["AMD EPYC 7R13 Processor", "AMD EPYC 7R13 48-Core Processor", "EPYC-7R13-96T"],
    "EPYC-9354": ["AMD EPYC 9354 32-Core Processor"],
    "EPYC-9654": ["AMD EPYC 9654 96-Core Processor"],
    "EPYC-9R14": ["AMD EPYC 9R14", "AMD EPYC 9R14 96-Core Processor"],
    "EPYC-9575F": ["AMD EPYC 9575F 64-Core Processor"],
    "EPYC-9965": ["AMD EPYC 9965 192-Core Processor"],
    "GRAVITON3": ["AWS Graviton3"],
    "GRAVITON4": ["AWS Graviton4", "GRAVITON4-96T"],
    "AMPEREONE-M": ["AMPEREONE-M-192T"],
}

UNKNOWN = [
    "A100",  # 40 or 80 GB
    "NVIDIA A100-SXM4",
    "Tesla V100-SXM2",
    "NVIDIA A100-SXM-64GB",  # a custom part of one supercomputer
    "NVIDIA H100 64GB",
    "AMD INSTINCT MI250 (MCM) OAM AC MBA",  # card or die
    "Instinct MI250X/MI250",
    "NVIDIA GeForce RTX 5090 D",
    "NVIDIA RTX PRO 5000 72GB Blackwell",
    "NVIDIA GeForce RTX 4090 Laptop GPU",
    "NVIDIA A10-24Q",  # vGPU profile
    "GRID T4-16Q",
    "GRID A100D-40C",
    "Tesla P100-PCIE-16GB",
    "Tesla K80",
    "NVIDIA GB300-WS",
    "HL-205",
    "Intel(R) Xeon(R) CPU @ 2.20GHz",
    "Intel(R) Xeon(R) Processor @ 2.90GHz",
    "AMD EPYC Processor",
    "QEMU Virtual CPU version 2.5+",
    "UNKNOWN-24GB-GPU",
    "cuda",
    "gpu",
    "80GB",
    "",
    "«»",
]


NEAR_MISSES = [
    ("NVIDIA H100 80GB HBM3", "NVIDIA H100 NVL", "NVIDIA H100 PCIe", "NVIDIA H800", "NVIDIA H200", "NVIDIA GH200 480GB"),
    ("NVIDIA L4", "NVIDIA L40", "NVIDIA L40S", "NVIDIA L20"),
    ("NVIDIA A10", "NVIDIA A10G", "NVIDIA A100-SXM4-40GB", "NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB PCIe", "NVIDIA A16", "NVIDIA A2"),
    ("NVIDIA A100-SXM4-80GB", "NVIDIA A800-SXM4-80GB"),
    ("NVIDIA H20", "NVIDIA H20-3e", "NVIDIA H200", "NVIDIA L20"),
    ("NVIDIA B200", "NVIDIA GB200", "NVIDIA B300 SXM6 AC", "NVIDIA GB300"),
    ("Tesla T4", "NVIDIA T4G"),
    ("Tesla V100-PCIE-32GB", "Tesla V100S-PCIE-32GB", "Tesla V100-SXM2-32GB"),
    ("NVIDIA GeForce RTX 3090", "NVIDIA GeForce RTX 3090 Ti"),
    ("NVIDIA GeForce RTX 4080", "NVIDIA GeForce RTX 4080 SUPER"),
    ("Quadro RTX 6000", "NVIDIA RTX 6000 Ada Generation", "NVIDIA RTX A6000", "NVIDIA RTX PRO 6000 Blackwell Server Edition"),
    ("AMD Instinct MI300A", "AMD Instinct MI300X", "AMD Instinct MI308X", "AMD Instinct MI325X"),
    ("AMD Instinct MI350X", "AMD Instinct MI355X"),
    ("HL-225", "HL-288", "HL-325L", "HL-338"),
    ("Intel(R) Xeon(R) Platinum 8480+", "Intel(R) Xeon(R) Platinum 8480C", "Intel(R) Xeon(R) Platinum 8480CL"),
    ("Intel(R) Xeon(R) 6767P", "Intel(R) Xeon(R) 6766E"),
    ("AMD EPYC 9654 96-Core Processor", "AMD EPYC 9655 96-Core Processor", "AMD EPYC 9684X 96-Core Processor"),
]


@pytest.mark.parametrize(("written", "meant"), [(name, meant) for names in SEEN.values() for name, meant in names.items()])
def test_a_name_seen_in_the_wild_means_its_device_or_is_unknown(written: str, meant: str | None) -> None:
    found = match_name(written)

    assert (None if found is None else found.name) == meant


def test_at_least_150_names_were_seen_in_the_wild() -> None:
    assert len({name for names in SEEN.values() for name in names}) >= 150


@pytest.mark.parametrize("alike", NEAR_MISSES, ids=lambda names: names[0])
def test_names_that_are_nearly_alike_are_different_devices(alike: tuple[str, ...]) -> None:
    found = [match_name(name) for name in alike]

    assert None not in found
    assert len({device.name for device in found if device}) == len(alike)


@pytest.mark.parametrize(("written", "meant"), [(name, meant) for meant, names in WRITTEN.items() for name in names])
def test_a_written_name_means_its_catalogue_device(written: str, meant: str) -> None:
    found = match_name(written)

    assert found is not None
    assert found.name == meant


@pytest.mark.parametrize("written", UNKNOWN)
def test_a_name_that_does_not_settle_the_device_is_unknown(written: str) -> None:
    assert match_name(written) is None


@pytest.mark.parametrize(
    "name", ["NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "NVIDIA H100 80GB HBM3 MIG 3g.40gb", "mig-1g.10gb", "NVIDIA_A30_MIG_2g.12gb"]
)
def test_a_mig_slice_is_not_the_device_it_was_cut_from(name: str) -> None:
    assert match_name(name) is None


def test_a_catalogue_name_means_itself() -> None:
    assert [name for name, device in catalogue().items() if match_name(name) is not device] == []
