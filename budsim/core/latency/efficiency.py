"""What a device reaches of its peaks, by family; constants with their sources."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from budsim.core.hardware.spec import DeviceType


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """Shares of peak, and the costs of a layer that no roofline sees.

    Attributes:
        compute: Share of the 16-bit peak that large matrix products reach.
        compute_8bit: The same of the fp8 or int8 peak.
        compute_4bit: The same of the fp4 peak.
        bandwidth: Share of the peak memory bandwidth, dense weights and KV cache.
        expert_bandwidth: The same for the weights of routed experts, read in small pieces.
        per_layer_s: Norms, rotary, gaps between kernels of one layer in a decode step. [s]
        per_routed_layer_s: Added by a layer that routes tokens to experts. [s]
        per_reduce_s: Synchronisation of one all-reduce, beside its wire time. [s]
        per_chunk_layer_s: Dispatch of one layer in a step that holds a prompt chunk: no captured graph. [s]
    """

    compute: float
    compute_8bit: float
    compute_4bit: float
    bandwidth: float
    expert_bandwidth: float
    per_layer_s: float
    per_routed_layer_s: float
    per_reduce_s: float
    per_chunk_layer_s: float


# Fitted to 1,016 closed-loop rows of vLLM and SGLang on H100, H200 and B200 (soft L1 on log TPOT, E2E and, at a quarter of the weight,
# TTFT; pulled towards the priors of PHYSICS 1, 4 and 10): InferenceX and NVIDIA sweeps as collected by AIConfigurator, Apache-2.0.
# Bandwidth agrees with PHYSICS 1 (0.75–0.8 of peak), per_layer_s with PHYSICS 10 (32 µs a layer).
_CUDA: Final = Efficiency(
    compute=0.62,
    compute_8bit=0.59,
    compute_4bit=0.43,
    bandwidth=0.81,
    expert_bandwidth=0.80,
    per_layer_s=29e-6,
    per_routed_layer_s=35e-6,
    per_reduce_s=13e-6,
    per_chunk_layer_s=150e-6,
)
# 38 rows of SGLang on MI300X, MI325X and MI355X move only what they tell apart: experts and 8-bit products reach less of their peaks.
_ROCM: Final = replace(
    _CUDA, compute_8bit=0.30, bandwidth=0.76, expert_bandwidth=0.45, per_layer_s=33e-6, per_routed_layer_s=40e-6, per_reduce_s=14e-6
)
# 20 rows of vLLM on Gaudi 3 in groups of 4 and 8: the network between cards is waited for (InferenceMAX fork, Apache-2.0).
_HPU: Final = replace(_CUDA, bandwidth=0.85, per_layer_s=31e-6, per_reduce_s=70e-6)
# Decode at one stream reads weights at 0.34 of the DDR peak in the median of 111 rows on a Xeon 8480+ (Intel ITREX and llama.cpp, int4;
# Apache-2.0) and at 0.22–0.26 on a Xeon 6767P (PHYSICS 17); AMX reaches a third of its peak on prompts. Threads meet at a barrier after
# each operator; the all-reduce of two sockets is the link's own latency. No graph is captured or missed.
_CPU: Final = Efficiency(
    compute=0.30,
    compute_8bit=0.25,
    compute_4bit=0.25,
    bandwidth=0.32,
    expert_bandwidth=0.25,
    per_layer_s=60e-6,
    per_routed_layer_s=60e-6,
    per_reduce_s=0.0,
    per_chunk_layer_s=0.0,
)
EFFICIENCIES: Final[Mapping[DeviceType, Efficiency]] = MappingProxyType(
    {DeviceType.CUDA: _CUDA, DeviceType.ROCM: _ROCM, DeviceType.HPU: _HPU, DeviceType.CPU: _CPU}
)
