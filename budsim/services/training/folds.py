"""What folds hold back: points, server configurations, models, devices, sources, releases."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from zlib import crc32

import numpy as np

from budsim.core.engines.candidates import BoolArray, FloatArray, IntArray
from budsim.services.training.rows import Table, TrainingRow

POINT_FOLDS: Final = 5
SERVER_FOLDS: Final = 10
MIN_FOLD_RUNS: Final = 50


class Split(StrEnum):
    """What a fold holds back."""

    POINT = "configuration point"
    SERVER = "server configuration"
    MODEL = "model"
    DEVICE = "device"
    SOURCE = "source"
    RELEASE = "engine release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Rows held back together: all of a label, of whatever mode; those of them that are scored are clean."""

    split: Split
    name: str
    held: BoolArray
    scored: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Predictions of the scored rows of a fold.

    Attributes:
        log_factor: What the analytic TTFT and TPOT are corrected by, shape (runs, 2).
        analytic_s: TTFT, TPOT, E2E of physics that never saw the fold, shape (runs, 3). [s]
        nearness: Likeness of the nearest run that was seen, by target, shape (runs, 2).
    """

    fold: Fold
    log_factor: FloatArray
    analytic_s: FloatArray
    nearness: FloatArray


def folds(table: Table) -> Iterator[Fold]:
    """Yield the folds of every split that hold enough clean runs."""
    clean = table.clean
    for split in Split:
        labels = np.array([_label(split, row, index) for index, row in enumerate(table.rows)])
        for name, count in sorted(Counter(labels[clean]).items()):
            held = labels == name
            if (count >= MIN_FOLD_RUNS or split in (Split.POINT, Split.SERVER)) and (clean & ~held).any():
                yield Fold(split=split, name=str(name), held=held, scored=np.flatnonzero(held & clean))


def _label(split: Split, row: TrainingRow, index: int) -> str:
    measured = row.row
    match split:
        case Split.POINT:
            return str(crc32((measured.group or f"row {index}").encode()) % POINT_FOLDS)
        case Split.SERVER:
            return str(crc32(row.server.encode()) % SERVER_FOLDS)
        case Split.MODEL:
            return measured.arch
        case Split.DEVICE:
            return row.run.scenario.device.name
        case Split.SOURCE:
            return row.site
        case Split.RELEASE:
            return row.release
