"""What an engine spends beside its kernels, and how it queues prompts; constants with their sources."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from budsim.core.engines.spec import EngineKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Overheads:
    """Costs of one engine.

    Attributes:
        per_step_s: Scheduling, sampling and detokenising of one step. [s]
        per_sequence_s: Added to a step by each running sequence. [s]
        per_request_s: Tokenising, admission and first answer of a request. [s]
        prefills_ahead: Share of the other users that prefill before one of them; 0.5 is a burst of all.
    """

    per_step_s: float
    per_sequence_s: float
    per_request_s: float
    prefills_ahead: float


# Fitted together with the efficiencies of CUDA devices. PHYSICS 10 has 126 µs a step and 4.4 µs a sequence for vLLM 0.15.
_VLLM: Final = Overheads(per_step_s=100e-6, per_sequence_s=7.2e-6, per_request_s=42e-3, prefills_ahead=0.11)
# SGLang prefills before it decodes. Mean TTFTs of short benchmarks hold its start-up, so per_request_s follows their medians instead:
# 110–170 ms for 922 tokens on models that need 40–60 ms of kernels (InferenceX, SGLang 0.5.9, 4…16 users).
_SGLANG: Final = Overheads(per_step_s=230e-6, per_sequence_s=13.5e-6, per_request_s=100e-3, prefills_ahead=0.35)
# Neither is in the measurements. LatentBud batches what has arrived, so a burst of all users stands before the last half of them.
_LATENTBUD: Final = Overheads(per_step_s=1e-3, per_sequence_s=10e-6, per_request_s=10e-3, prefills_ahead=0.5)
_LITELLM: Final = Overheads(per_step_s=0.0, per_sequence_s=0.0, per_request_s=20e-3, prefills_ahead=0.0)
OVERHEADS: Final[Mapping[EngineKind, Overheads]] = MappingProxyType(
    {
        EngineKind.VLLM: _VLLM,
        EngineKind.SGLANG: _SGLANG,
        EngineKind.LATENTBUD: _LATENTBUD,
        EngineKind.LITELLM: _LITELLM,
    }
)
