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
from budsim.core.workload import LoadMode


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

    def wider(self, other: "Bands") -> "Bands":
        """Return the bands that hold both."""
        return Bands(ttft=self.ttft.wider(other.ttft), tpot=self.tpot.wider(other.tpot), e2e=self.e2e.wider(other.e2e))


# PHYSICS «What accuracy is known to be possible»: ×/÷1.8 where the data does not reach; TTFT wider in the same measure
_FAR: Final = Band(low=1 / 1.8, high=1.8)
_FAR_TTFT: Final = Band(low=1 / 4.0, high=4.0)
_HOSTED: Final = Band(low=1 / API_SPREAD, high=API_SPREAD)


def bands_of(scenario: Scenario, constants: Constants) -> Bands:
    """Return the bands that hold for a run: by what of it the constants were fitted to.

    Where model, device and engine were measured, as wide as for unseen points of such; where the model was not, as for held-out
    architectures; where device or engine was not, as for held-out devices; on families that were never measured wider still. Static
    batches and open loops are at least as uncertain, in their own measure.

    Source:
        Quantiles of measured / predicted in the cross-validation that `budsim calibrate` writes.
    """
    return _bands(constants, scenario.device, scenario.engine, scenario.model, scenario.workload.mode)


@remembered
def _bands(constants: Constants, device: Accelerator, engine: EngineProfile, model: ModelSpec, mode: LoadMode) -> Bands:
    if engine.kind is EngineKind.LITELLM:
        return Bands(ttft=_HOSTED, tpot=_HOSTED, e2e=_HOSTED)
    closed = _closed(constants, device, engine, model)
    match mode:
        case LoadMode.CLOSED_LOOP:
            return closed
        case LoadMode.STATIC_BATCH:
            is_seen = f"{engine.served_by}@{device.name}" in constants.seen.offline
            return closed.wider(_stored(constants, "static_point" if is_seen else "static_device"))
        case LoadMode.OPEN_LOOP:
            return closed.wider(_stored(constants, "open"))


def _closed(constants: Constants, device: Accelerator, engine: EngineProfile, model: ModelSpec) -> Bands:
    far = _stored(constants, "device")
    seen = constants.seen
    if engine.served_by not in seen.engines or device.device_type in (DeviceType.CPU, DeviceType.HPU):
        return far.wider(Bands(ttft=_FAR_TTFT, tpot=_FAR, e2e=_FAR))
    if device.name not in seen.devices:
        return far
    shape = f"{model.layers}x{model.hidden_size}"
    return _stored(constants, "point" if shape in seen.shapes else "architecture")


def _stored(constants: Constants, split: str) -> Bands:
    if split not in constants.bands:
        return Bands(ttft=_FAR_TTFT, tpot=_FAR, e2e=_FAR)
    ttft, tpot, e2e = (Band(low=low, high=high) for low, high in (constants.bands[split][name] for name in ("ttft", "tpot", "e2e")))
    return Bands(ttft=ttft, tpot=tpot, e2e=e2e)
