"""RegressorPredictor: physics, corrected by what was learned from measurements, with intervals as wide as the distance from them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from budsim.core.engines.candidates import Candidates, FloatArray
from budsim.core.engines.spec import Scenario
from budsim.core.hardware.spec import DeviceType
from budsim.core.predictors.features import features_of
from budsim.core.predictors.heuristic import HeuristicPredictor
from budsim.core.predictors.protocol import Interval, Method, Predictions
from budsim.core.predictors.widths import Quantiles
from budsim.core.workload import LoadMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """What a trained model says of candidates, shape (n,).

    Attributes:
        log_ttft: Natural logarithm of the factor on the analytic TTFT.
        log_tpot: The same of TPOT.
        ttft: Where measurements lie around the corrected TTFT; `tpot` and `e2e` likewise.
        nearness: Likeness of the nearest measured run, 0…1.
    """

    log_ttft: FloatArray
    log_tpot: FloatArray
    ttft: Quantiles
    tpot: Quantiles
    e2e: Quantiles
    nearness: FloatArray


class TrainedModel(Protocol):
    """What was learned for one engine and device type."""

    @property
    def version(self) -> str:
        """Version of the model set it belongs to."""
        ...

    @property
    def engine(self) -> str:
        """Engine, or the runtime that is only predicted."""
        ...

    @property
    def device_type(self) -> DeviceType:
        """Family of devices."""
        ...

    @property
    def card(self) -> Mapping[str, Any]:
        """What it was trained on and how well it does."""
        ...

    def correct(self, features: FloatArray) -> Corrections:
        """Return the corrections of candidates of these features, shape (n, len(FEATURES))."""
        ...


class RegressorPredictor:
    """The analytic model times what a trained model corrects it by."""

    def __init__(self, *, heuristic: HeuristicPredictor, model: TrainedModel) -> None:
        self._heuristic = heuristic
        self._model = model

    @property
    def method(self) -> Method:
        """The method that answers."""
        return Method.REGRESSOR

    @property
    def version(self) -> str:
        """Version of the model set."""
        return self._model.version

    def predict(self, scenario: Scenario, candidates: Candidates) -> Predictions:
        """Return the corrected predictions of every candidate: E2E = TTFT + (O − 1)·TPOT.

        Open loops are told by physics, in its intervals: none was learned from, and corrections of closed loops do not carry over.

        Args:
            scenario: Model, device, engine and load of a part.
            candidates: Columns of shape (n,).
        """
        physics, latency = self._heuristic.analysed(scenario, candidates)
        if scenario.workload.mode is LoadMode.OPEN_LOOP:
            return physics
        found = self._model.correct(features_of(scenario, candidates, latency))
        ttft, tpot = physics.ttft_s * np.exp(found.log_ttft), physics.tpot_s * np.exp(found.log_tpot)
        output = scenario.workload.output_tokens
        e2e = ttft + (output - 1.0) * tpot
        around = _around(e2e, found.e2e)
        return replace(
            physics,
            ttft_s=ttft,
            tpot_s=tpot,
            e2e_s=e2e,
            throughput_per_user=output / e2e,
            ttft_interval_s=_around(ttft, found.ttft),
            tpot_interval_s=_around(tpot, found.tpot),
            e2e_interval_s=around,
            throughput_interval=Interval(low=output / around.high, high=output / around.low),
        )


def _around(predicted: FloatArray, found: Quantiles) -> Interval:
    return Interval(low=predicted * np.exp(found.low), high=predicted * np.exp(found.high))
