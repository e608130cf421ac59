"""`budsim train` refuses what it cannot train on before it begins."""

import csv

import pytest

from budsim.cli.train import train
from budsim.core.errors import InvalidInput
from budsim.core.hardware.spec import DeviceType
from tests.support.measured_rows import row


def table(folder):
    with (folder / "measurements.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row()))
        writer.writeheader()
        writer.writerow(row())
    return folder


def test_a_date_that_is_no_day_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="2026-02-30"):
        train(table(tmp_path), out=tmp_path / "set", date="2026-02-30")


def test_a_folder_without_measurements_is_refused_with_what_it_lacks(tmp_path):
    with pytest.raises(InvalidInput, match=r"measurements\.csv"):
        train(tmp_path, out=tmp_path / "set")


def test_an_engine_without_rows_is_refused_with_those_that_have_some(tmp_path):
    with pytest.raises(InvalidInput) as caught:
        train(table(tmp_path), out=tmp_path / "set", engine="sglang", device_type=DeviceType.CUDA)
    assert "vllm/cuda" in caught.value.remedy
    assert not (tmp_path / "set").exists()
