"""One predictor out of many: that of a scenario's engine and device type."""

from collections.abc import Mapping

from budsim.core.engines.candidates import Candidates
from budsim.core.engines.spec import EngineKind, Scenario
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.spec import ModelKind
from budsim.core.predictors.protocol import Method, Predictions, Predictor


class PairedPredictor:
    """Predicts with what was trained for an engine and device type; else with vLLM's on that device type, else without training."""

    def __init__(self, trained: Mapping[tuple[str, DeviceType], Predictor], *, otherwise: Predictor) -> None:
        self._trained = trained
        self._otherwise = otherwise

    @property
    def method(self) -> Method:
        """The method that answers where it can."""
        return Method.REGRESSOR

    @property
    def version(self) -> str:
        """Versions of the sets, and of what stands in."""
        return "+".join(sorted({each.version for each in (*self._trained.values(), self._otherwise)}))

    def predict(self, scenario: Scenario, candidates: Candidates) -> Predictions:
        """Return the predictions of every candidate, in order."""
        return self.predictor_of(scenario).predict(scenario, candidates)

    def predictor_of(self, scenario: Scenario) -> Predictor:
        """Return who predicts a scenario; models that are no decoders were never trained on."""
        if scenario.model.kind is not ModelKind.DECODER:
            return self._otherwise
        device = scenario.device.device_type
        own = self._trained.get((scenario.engine.served_by, device))
        return own or self._trained.get((EngineKind.VLLM.value, device)) or self._otherwise
