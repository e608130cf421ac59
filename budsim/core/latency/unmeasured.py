"""Constants of engines and device families that no measured run of the fit tells: stated here, with their sources."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from budsim.core.engines.spec import EngineKind
from budsim.core.hardware.spec import DeviceType
from budsim.core.latency.efficiency import Efficiency
from budsim.core.latency.overheads import Overheads

# Neither is in the measurements. Pooled requests queue for every other user anyway, and a proxy queues nobody.
_ENGINES: Final[Mapping[str, Overheads]] = MappingProxyType(
    {
        EngineKind.LATENTBUD.value: Overheads(
            per_step_s=1e-3, per_sequence_s=10e-6, per_request_s=10e-3, per_user_s=0.0, start_burst=0.0, prefill_apart=0.0
        ),
        EngineKind.LITELLM.value: Overheads(
            per_step_s=0.0, per_sequence_s=0.0, per_request_s=20e-3, per_user_s=0.0, start_burst=0.0, prefill_apart=0.0
        ),
    }
)
# Decode at one stream reads weights at 0.34 of the DDR peak in the median of 111 rows on a Xeon 8480+ (Intel ITREX and llama.cpp, int4;
# Apache-2.0) and at 0.22–0.26 on a Xeon 6767P (PHYSICS 17); AMX reaches a third of its peak on prompts. Threads meet at a barrier after
# each operator; the all-reduce of two sockets is the link's own latency. No graph is captured or missed.
_CPU: Final = Efficiency(
    compute=0.30,
    compute_8bit=0.25,
    compute_4bit=0.25,
    bandwidth=0.32,
    expert_compute=1.0,
    expert_bandwidth=0.25,
    attention_compute=0.30,
    attention_bandwidth=0.32,
    reduce_bandwidth=1.0,
    passes=10.0,
    routed_passes=4.0,
    per_layer_s=60e-6,
    per_routed_layer_s=60e-6,
    per_folded_layer_s=60e-6,
    per_reduce_s=0.0,
    per_chunk_layer_s=0.0,
)


def known_efficiency(device_type: DeviceType, fitted: Efficiency) -> Efficiency:
    """Return what is stated for a family that was not fitted, else what was fitted."""
    return _CPU if device_type is DeviceType.CPU else fitted


def known_overheads(engine: str, fitted: Overheads) -> Overheads:
    """Return what is stated for an engine that was not fitted, else what was fitted."""
    return _ENGINES.get(engine, fitted)
