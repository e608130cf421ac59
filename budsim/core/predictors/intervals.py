"""How far a measurement may lie from the analytic prediction: bands of factors, wider the farther a run is from the data."""

from dataclasses import dataclass
from typing import Final

from budsim.core.elementwise import Figure
from budsim.core.engines.spec import EngineKind, EngineProfile, Scenario
from budsim.core.hardware.spec import Accelerator, DeviceType
from budsim.core.latency.constants import Constants
from budsim.core.latency.proxied import API_SPREAD
from budsim.core.model.spec import ModelSpec
from budsim.core.remembered import remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Factors on a prediction at its 5 % and 95 % quantiles."""

    low: float
    high: float

    def around(self, predicted: Figure) -> tuple[Figure, Figure]:
        """Return the quantiles of each prediction."""
        return predicted * self.low, predicted * self.high

    def inverse(self) -> "Band":
        """Return the band of the reciprocal: a rate from a time."""
        return Band(low=1.0 / self.high, high=1.0 / self.low)

    def wider(self, other: "Band") -> "Band":
        """Return the band that holds both."""
        return Band(low=min(self.low, other.low), high=max(self.high, other.high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """Bands of the measured times; E2E holds for its reciprocal, throughput, too."""

    ttft: Band
    tpot: Band
    e2e: Band

    @property
    def throughput(self) -> Band:
        """Band of output tokens over E2E."""
        return self.e2e.inverse()


# PHYSICS «What accuracy is known to be possible»: ×/÷1.8 where the data does not reach; TTFT wider in the same measure
_FAR: Final = Band(low=1 / 1.8, high=1.8)
_FAR_TTFT: Final = Band(low=1 / 4.0, high=4.0)
_HOSTED: Final = Band(low=1 / API_SPREAD, high=API_SPREAD)


def bands_of(scenario: Scenario, constants: Constants) -> Bands:
    """Return the bands that hold for a run: by what of it the constants were fitted to.

    Where model, device and engine were measured, as wide as for unseen points of such; where the model was not, as for held-out
    architectures; where device or engine was not, as for held-out devices; on families that were never measured wider still.

    Source:
        Quantiles of measured / predicted in the cross-validation that `budsim calibrate` writes.
    """
    return _bands(constants, scenario.device, scenario.engine, scenario.model)


@remembered
def _bands(constants: Constants, device: Accelerator, engine: EngineProfile, model: ModelSpec) -> Bands:
    if engine.kind is EngineKind.LITELLM:
        return Bands(ttft=_HOSTED, tpot=_HOSTED, e2e=_HOSTED)
    far = _stored(constants, "device")
    seen = constants.seen
    if engine.served_by not in seen.engines or device.device_type in (DeviceType.CPU, DeviceType.HPU):
        return Bands(ttft=far.ttft.wider(_FAR_TTFT), tpot=far.tpot.wider(_FAR), e2e=far.e2e.wider(_FAR))
    if device.name not in seen.devices:
        return far
    shape = f"{model.layers}x{model.hidden_size}"
    return _stored(constants, "point" if shape in seen.shapes else "architecture")


def _stored(constants: Constants, split: str) -> Bands:
    ttft, tpot, e2e = (Band(low=low, high=high) for low, high in (constants.bands[split][name] for name in ("ttft", "tpot", "e2e")))
    return Bands(ttft=ttft, tpot=tpot, e2e=e2e)
