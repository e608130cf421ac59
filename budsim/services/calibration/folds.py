"""How constants do on runs they were not fitted to: other configuration points, other architectures, other devices."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from zlib import crc32

import numpy as np

from budsim.core.engines.candidates import BoolArray, FloatArray, IntArray
from budsim.core.errors import InvalidInput
from budsim.core.latency.columns import taken
from budsim.services.calibration.design import log_values_of
from budsim.services.calibration.fit import Fit, Observations, fit_constants, log_predicted

POINT_FOLDS: Final = 5
MIN_FOLD_RUNS: Final = 50


class Split(StrEnum):
    """What a fold holds back."""

    POINT = "configuration point"
    ARCHITECTURE = "architecture"
    DEVICE = "device"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Predictions of runs by constants that never saw their fold.

    Attributes:
        split: What was held back.
        fold: Name of each predicted run's fold.
        rows: Index of each predicted run.
        predicted_s: TTFT, TPOT, E2E, shape (runs, 3). [s]
    """

    split: Split
    fold: tuple[str, ...]
    rows: IntArray
    predicted_s: FloatArray


def held_out(observed: Observations, split: Split) -> HeldOut:
    """Return the predictions of every run of a fold of enough runs, the constants refitted without it."""
    fold: list[str] = []
    rows: list[IntArray] = []
    predicted: list[FloatArray] = []
    for name, inside in _folds(observed, split):
        fit = fit_constants(selected(observed, ~inside))
        test = selected(observed, inside)
        rows.append(np.flatnonzero(inside))
        predicted.append(np.exp(log_predicted(test, applied(fit, test.keys))))
        fold += [name] * int(inside.sum())
    if not rows:
        raise InvalidInput(f"no {split} has {MIN_FOLD_RUNS} runs", param="data", remedy="give more rows of measurements")
    return HeldOut(split=split, fold=tuple(fold), rows=np.concatenate(rows), predicted_s=np.concatenate(predicted))


def applied(fit: Fit, keys: Sequence[tuple[str, ...]]) -> FloatArray:
    """Return the logarithm of every field for runs of these keys, shape (runs, fields); keys the fit never met add nothing."""
    return log_values_of(fit.design, fit.theta, keys)


def selected(observed: Observations, mask: BoolArray) -> Observations:
    """Return the runs under a mask."""
    chosen = np.flatnonzero(mask)
    return Observations(
        demand=taken(observed.demand, chosen),
        kernels=taken(observed.kernels, chosen),
        prefill_apart=observed.prefill_apart[chosen],
        keys=tuple(observed.keys[index] for index in chosen),
        measured_s=observed.measured_s[chosen],
        groups=tuple(observed.groups[index] for index in chosen),
        archs=tuple(observed.archs[index] for index in chosen),
        devices=tuple(observed.devices[index] for index in chosen),
        engines=tuple(observed.engines[index] for index in chosen),
        latencies=observed.latencies,
        known=None if observed.known is None else observed.known[chosen],
    )


def _folds(observed: Observations, split: Split) -> Iterator[tuple[str, BoolArray]]:
    labels = {
        Split.POINT: tuple(str(crc32(group.encode()) % POINT_FOLDS) for group in observed.groups),
        Split.ARCHITECTURE: observed.archs,
        Split.DEVICE: observed.devices,
    }[split]
    column = np.array(labels)
    for label, count in sorted(Counter(labels).items()):
        if split is Split.POINT or count >= MIN_FOLD_RUNS:
            yield label, column == label
