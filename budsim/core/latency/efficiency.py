"""What a device reaches of its peaks, by family; one set of constants with their sources."""

from dataclasses import dataclass

from budsim.core.hardware.spec import DeviceType

CONSTANTS_VERSION = "analytic-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """Shares of peak, and fixed costs of an engine step.

    Attributes:
        compute: Share of the peak FLOP rate large matrix products reach.
        bandwidth: Share of the peak memory bandwidth.
        per_layer_s: Launch and dispatch of one layer in one step. [s]
        per_step_s: Scheduling, sampling and detokenising of one step. [s]
        per_sequence_s: Added to a step by each running sequence. [s]
        per_request_s: Tokenising and admission of a request. [s]
    """

    compute: float
    bandwidth: float
    per_layer_s: float
    per_step_s: float
    per_sequence_s: float
    per_request_s: float


# PHYSICS 1 and 10: achieved bandwidth 0.75–0.8 of peak; 32 µs a layer before graphs, 126 µs a step, 4.4 µs a sequence, 15.6 ms a request
_GPU = Efficiency(compute=0.55, bandwidth=0.78, per_layer_s=20e-6, per_step_s=0.5e-3, per_sequence_s=8e-6, per_request_s=15.6e-3)
# PHYSICS 17: decode reaches 0.22–0.26 of the DDR peak at one stream
_CPU = Efficiency(compute=0.30, bandwidth=0.24, per_layer_s=60e-6, per_step_s=1.0e-3, per_sequence_s=20e-6, per_request_s=15.6e-3)


def efficiency_of(device_type: DeviceType) -> Efficiency:
    """Return the constants of a device family."""
    match device_type:
        case DeviceType.CUDA | DeviceType.ROCM | DeviceType.HPU:
            return _GPU
        case DeviceType.CPU:
            return _CPU
