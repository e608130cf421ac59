"""Which kernel timings are read, and as what."""

import pytest

from budsim.services.calibration.timings import kernel_fits

COLUMNS = {"op_name": "all_reduce", "kernel_source": "vLLM_custom_graph", "backend": "vllm_graph"}


def reduces(system, *, devices, bytes_per_s):
    """Return all-reduces of 2^10 to 2^27 values that reach so much of the link, with 5 µs on top."""
    for size in range(1000, 1100):
        values = 2.0 ** (10 + 17 * (size - 1000) / 99)
        wire = 2.0 * (devices - 1) / devices * 2.0 * values / bytes_per_s
        yield COLUMNS | {"system": system, "num_gpus": str(devices), "message_size": str(values), "latency": str(1e3 * (wire + 5e-6))}


def shares(*tables):
    return {fit.device: fit.bandwidth for fit in kernel_fits([("custom_allreduce", [row for table in tables for row in table])])}


def test_groups_that_cross_a_host_say_nothing_of_the_link():
    # a pair reaches 19.2 of the 32 GB/s of PCIe 4; eight devices of the same host 2 GB/s, over its bridges and sockets
    found = shares(reduces("l40s", devices=2, bytes_per_s=19.2e9), reduces("l40s", devices=8, bytes_per_s=2e9))
    assert found["L40S-48GB"] == pytest.approx(0.6, rel=0.02)


def test_groups_on_links_of_their_own_do():
    # 225 of the 450 GB/s of NVLink 4, by eight devices
    assert shares(reduces("h100_sxm", devices=8, bytes_per_s=225e9))["H100-SXM-80GB"] == pytest.approx(0.5, rel=0.02)
