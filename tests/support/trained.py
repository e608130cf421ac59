"""Small tables of measured runs, trained on in a second, and a trained model that says one thing."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from budsim.core.engines.candidates import FloatArray
from budsim.core.hardware.spec import DeviceType
from budsim.core.latency.constants import shipped_constants
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.predictors.regressor import Corrections
from budsim.core.predictors.widths import Quantiles
from budsim.services.accuracy.capacity import MemoryOfWhatRan
from budsim.services.accuracy.shapes import models_of
from budsim.services.training.boost import Trees
from budsim.services.training.learn import Learnable, learnable
from budsim.services.training.rows import Table, analysed, table_of
from budsim.services.training.settings import KERNELS, Settings
from budsim.services.training.train import Training, chosen, files_of, lineage_of, pairs_of, trained
from tests.support.measured_rows import LLAMA_SHAPE, row

SETTINGS = Settings(
    seed=1,
    trees=(Trees(rounds=10, depth=2, leaf_weight=8.0), Trees(rounds=10, depth=3, leaf_weight=8.0)),
    kernels={name: (kernel,) for name, kernel in KERNELS.items()},
)


def silent(text: str, done: int, total: int) -> None:
    """Say nothing of a training's progress."""


def run_rows() -> list[dict[str, str]]:
    """Return 96 runs whose TTFT and TPOT depend on users, prompt, layout and device."""
    return [
        row(
            concurrency=str(users),
            input_tokens=str(tokens),
            tp=str(split),
            hardware=name,
            group_id=f"{users} {tokens} {split} {name}",
            mean_ttft_ms=f"{50 + users * tokens / 2000:.3f}",
            mean_tpot_ms=f"{(6 + users / 8) / split**0.7:.3f}",
            mean_e2e_s="",
        )
        for users in (1, 2, 4, 8, 16, 32, 64, 128)
        for tokens in (200, 2000)
        for split in (1, 2, 4)
        for name in ("H100-SXM-80GB", "A100-SXM-80GB")
    ]


def table(*rows: dict[str, str]) -> Table:
    """Return the rows as they are learned from."""
    return table_of(rows, models_of([LLAMA_SHAPE]), MemoryOfWhatRan(AnalyticMemory()))


@cache
def small() -> Learnable:
    """Return the 96 runs with their physics."""
    found = table(*run_rows())
    return learnable(found, analysed(found, shipped_constants()))


@cache
def small_training() -> Training:
    """Return what the 96 runs teach."""
    rows = small()
    return trained(rows, SETTINGS, lambda _: rows, silent)


def set_files(*, engine: str | None = None, date: str = "2026-01-31") -> dict[str, bytes]:
    """Return the files of a set trained on the 96 runs, anew."""
    rows = small()
    lineage = lineage_of(rows, SETTINGS, date=date, constants="analytic-test")
    return files_of(chosen(pairs_of(rows.table), engine, None), trained(rows, SETTINGS, lambda _: rows, silent), lineage)


class SteadyModel:
    """Says the same of every candidate: TTFT × 2, TPOT ÷ 2, a tenth either way."""

    version = "steady-1"
    engine = "vllm"
    device_type = DeviceType.CUDA
    card: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self.asked: list[FloatArray] = []

    def correct(self, features: FloatArray) -> Corrections:
        self.asked.append(features)
        ones = np.ones(len(features))
        tenth = Quantiles(low=-np.log(1.1) * ones, high=np.log(1.1) * ones)
        return Corrections(log_ttft=np.log(2) * ones, log_tpot=-np.log(2) * ones, ttft=tenth, tpot=tenth, e2e=tenth, nearness=ones)
