"""What a device reaches of its peaks, by family; one set of constants with their sources."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from budsim.core.hardware.spec import DeviceType

CONSTANTS_VERSION: Final = "analytic-2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """Shares of peak, and the costs of an engine step that no roofline sees.

    Attributes:
        compute: Share of the 16-bit peak that large matrix products reach.
        compute_8bit: The same of the fp8 or int8 peak.
        compute_4bit: The same of the fp4 peak.
        bandwidth: Share of the peak memory bandwidth, dense weights and KV cache.
        expert_bandwidth: The same for the weights of routed experts, read in small pieces.
        per_layer_s: Norms, rotary, gaps between kernels of one layer in a decode step. [s]
        per_routed_layer_s: Added by a layer that routes tokens to experts. [s]
        per_reduce_s: Synchronisation of one all-reduce, beside its wire time. [s]
        per_step_s: Scheduling, sampling and detokenising of one step. [s]
        per_sequence_s: Added to a step by each running sequence. [s]
        per_chunk_layer_s: Dispatch of one layer in a step that holds a prompt chunk: no captured graph. [s]
        per_request_s: Tokenising and admission of a request. [s]
        prefills_ahead: Share of the other users that prefill before one of them; 0.5 is a burst of all.
    """

    compute: float
    compute_8bit: float
    compute_4bit: float
    bandwidth: float
    expert_bandwidth: float
    per_layer_s: float
    per_routed_layer_s: float
    per_reduce_s: float
    per_step_s: float
    per_sequence_s: float
    per_chunk_layer_s: float
    per_request_s: float
    prefills_ahead: float


_GPU: Final = Efficiency(
    compute=0.55,
    compute_8bit=0.45,
    compute_4bit=0.30,
    bandwidth=0.78,
    expert_bandwidth=0.60,
    per_layer_s=20e-6,
    per_routed_layer_s=40e-6,
    per_reduce_s=5e-6,
    per_step_s=0.5e-3,
    per_sequence_s=8e-6,
    per_chunk_layer_s=150e-6,
    per_request_s=15.6e-3,
    prefills_ahead=0.1,
)
EFFICIENCIES: Final[Mapping[DeviceType, Efficiency]] = MappingProxyType(dict.fromkeys(DeviceType, _GPU))
