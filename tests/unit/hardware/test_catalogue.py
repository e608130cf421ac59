"""The catalogue: figures that were looked up, and that every one names its source."""

from collections.abc import Mapping

import pytest

from budsim.core.hardware.catalogue import catalogue
from budsim.core.hardware.spec import DeviceType
from budsim.core.hardware.tables import rows
from budsim.core.units import GB, MIB, TERA


@pytest.mark.parametrize(
    ("name", "mib"),
    [("H100-SXM-80GB", 81_559), ("A100-SXM-80GB", 81_920), ("L40S-48GB", 46_068), ("H200-SXM-141GB", 143_771), ("MI300X-192GB", 196_592)],
)
def test_memory_is_what_the_device_reports(name: str, mib: int) -> None:
    assert catalogue()[name].memory_bytes == mib * MIB


def test_nvlink_is_counted_per_direction() -> None:
    # H100: 900 GB/s both ways; A100: 600; L40S on PCIe 4 x16: 64
    each_way = {name: catalogue()[name].intra_node.bandwidth_bytes_per_s / GB for name in ("H100-SXM-80GB", "A100-SXM-80GB", "L40S-48GB")}

    assert each_way == {"H100-SXM-80GB": 450, "A100-SXM-80GB": 300, "L40S-48GB": 32}


def test_amx_peak_of_a_socket_follows_from_cores_and_clock() -> None:
    # 86 cores × 1024 FLOP × 2.0 GHz = 176.1 TFLOP/s, 8 channels × 6400 MT/s × 8 B = 409.6 GB/s
    xeon = catalogue()["XEON-6787P"]

    assert xeon.fp16_flop_per_s == pytest.approx(176.1 * TERA, rel=1e-3)
    assert xeon.bandwidth_bytes_per_s == pytest.approx(409.6 * GB)
    assert xeon.memory_bytes == 0


@pytest.mark.parametrize("column", ["memory", "bandwidth", "peak", "power", "price"])
def test_every_figure_names_a_source_that_is_explained(column: str) -> None:
    meanings = {row["source"] for row in rows("sources.csv")}
    figure = {"memory": "memory_mib", "bandwidth": "bandwidth_gb_per_s", "peak": "fp16_tflops", "power": "tdp_w", "price": "usd_per_hour"}[
        column
    ]
    for row in rows("catalogue.csv"):
        key = row[f"{column}_source"].partition(": ")[0]
        assert not row[figure] or key in meanings, row["name"]


def test_what_cuda_reports_was_read_in_a_log_of_the_device_or_of_one_named_beside_it() -> None:
    sources = [row["source"] for row in rows("visible.csv")]
    assert all(source.startswith(("torch reports", "as the")) for source in sources)
    assert not [source for source in sources if "memory" in source and "out-of-memory" not in source]


def test_every_alias_and_link_leads_somewhere() -> None:
    assert {row["name"] for row in rows("aliases.csv")} <= set(catalogue())
    assert all(row["bandwidth_source"] and row["latency_source"] for row in rows("links.csv"))


def test_the_catalogue_is_broad() -> None:
    kinds = [device.device_type for device in catalogue().values()]
    named = {"V100-SXM-32GB", "T4-16GB", "A10G-24GB", "L4-24GB", "H20-96GB", "GH200-144GB", "B300-288GB", "GB300-288GB", "RTX4090-24GB"}

    assert kinds.count(DeviceType.CPU) >= 29
    assert named | {"MI210-64GB", "MI250-128GB", "MI325X-256GB", "MI355X-288GB", "GAUDI2-96GB", "GAUDI3-128GB"} <= set(catalogue())


def test_no_peak_of_a_narrower_type_is_below_the_wider_one_but_for_the_cut_int8_of_blackwell_ultra() -> None:
    slower = {
        device.name
        for device in catalogue().values()
        for narrow in (device.fp8_flop_per_s, device.int8_flop_per_s)
        if narrow is not None and narrow < device.fp16_flop_per_s
    }

    assert slower == {"B300-288GB", "GB300-288GB"}


@pytest.mark.parametrize("row", [row for row in rows("catalogue.csv") if "FLOP/cycle" in row["peak_source"]], ids=lambda row: row["name"])
def test_a_derived_peak_is_its_units_times_rate_times_clock(row: Mapping[str, str]) -> None:
    # «tensor: 192 tensor cores × 256 FLOP/cycle × 2.175 GHz» = 106.9 TFLOP/s
    units, per_cycle, gigahertz = (float(part.split()[0]) for part in row["peak_source"].partition(": ")[2].split("× "))

    assert float(row["fp16_tflops"]) == pytest.approx(units * per_cycle * gigahertz / 1000, rel=0.01)


@pytest.mark.parametrize(
    "row", [row for row in rows("catalogue.csv") if row["bandwidth_source"].startswith("ddr")], ids=lambda row: row["name"]
)
def test_a_ddr_bandwidth_is_channels_times_transfers_times_eight_bytes(row: Mapping[str, str]) -> None:
    channels, mega_transfers, width_bytes = (float(part.split()[0]) for part in row["bandwidth_source"].partition(": ")[2].split("× "))

    assert float(row["bandwidth_gb_per_s"]) == pytest.approx(channels * mega_transfers * width_bytes / 1000, rel=0.001)


def test_rates_are_dense_as_each_halving_of_the_width_doubles_them() -> None:
    # A sparse figure beside a dense one shows as a ratio of 1 or 4; the L40S sheet rounds to 2.02.
    # Gaudi 3 computes fp8 no faster than bf16.
    ratios = {
        name: device.fp8_flop_per_s / device.fp16_flop_per_s for name, device in catalogue().items() if device.fp8_flop_per_s is not None
    }

    odd = {name for name, ratio in ratios.items() if ratio != pytest.approx(2.0, rel=0.03)}
    assert odd == {"GAUDI3-128GB", "GAUDI3-PCIE-128GB"}
