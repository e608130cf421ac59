"""What calibration learns of loads that are no closed loops: effects of static batches, and how far all such predictions lie off."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from budsim.core.elementwise import FloatArray
from budsim.core.latency.constants import Constants
from budsim.core.latency.kernels import KernelShares
from budsim.core.memory.analytic import AnalyticMemory
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.services.accuracy.capacity import MemoryOfWhatRan
from budsim.services.accuracy.predict import Predicted, predict_rows
from budsim.services.accuracy.rows import Measured, MeasuredRow, RowMode
from budsim.services.accuracy.runs import Models
from budsim.services.calibration.fit import Fit, Observations, fit_constants
from budsim.services.calibration.folds import HeldOut, Split, held_out
from budsim.services.calibration.observe import offline_observations
from budsim.services.calibration.store import Bands, band_of

OFFLINE_SPLITS: Final = (Split.POINT, Split.DEVICE)
OPEN: Final = (RowMode.RATE, RowMode.RATE_BURST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline:
    """Static batches, the effects fitted to them on top of closed loops, and how these do on runs that were held out."""

    observed: Observations
    fit: Fit
    held: tuple[HeldOut, ...]


def offline_of(
    rows: Iterable[MeasuredRow], models: Models, *, kernels: Mapping[str, KernelShares], closed: Fit, cross_validate: bool
) -> Offline | None:
    """Return what static batches tell, None without any.

    Args:
        rows: What was measured, in whatever mode.
        models: Shapes by lower-case name.
        kernels: Shares by device.
        closed: Constants of closed loops, which stay as they are.
        cross_validate: Whether to refit without each fold too.
    """
    observed = offline_observations(rows, models, kernels, closed)
    if observed is None:
        return None
    held = tuple(held_out(observed, split) for split in OFFLINE_SPLITS) if cross_validate else ()
    return Offline(observed=observed, fit=fit_constants(observed), held=held)


def open_band(rows: Iterable[MeasuredRow], models: Models, constants: Constants) -> Bands:
    """Return the quantiles of measured / predicted of open loops, to which nothing is fitted; empty without any."""
    predictor = HeuristicPredictor(memory=MemoryOfWhatRan(AnalyticMemory()), constants=constants)
    outcomes = predict_rows([row for row in rows if row.mode in OPEN], models, predictor)
    pairs = [(outcome.row.measured, outcome.predicted) for outcome in outcomes if outcome.predicted is not None]
    return band_of(np.array([_ratios(measured, predicted) for measured, predicted in pairs])) if pairs else {}


def _ratios(measured: Measured, predicted: Predicted) -> FloatArray:
    found = np.array([measured.ttft_s, measured.tpot_s, measured.e2e_s], dtype=np.float64)
    return np.asarray(found / np.array([predicted.ttft_s.mean, predicted.tpot_s.mean, predicted.e2e_s.mean]))
