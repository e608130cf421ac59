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
        start_burst: Prompts of other users that a request waits for because all began at once, over their number: mean of a whole run,
            whose first requests wait for half of them.
    """

    per_step_s: float
    per_sequence_s: float
    per_request_s: float
    start_burst: float


# Fitted together with the efficiencies of CUDA devices. PHYSICS 10 has 126 µs a step and 4.4 µs a sequence for vLLM 0.15. Runs of ten
# requests a user that all begin at once wait for half of the others in the first round, 0.05 of them on average, which dense models
# show; 0.1 is the best of 0…0.3 over 769 rows, for users who began together stay so for a while.
_VLLM: Final = Overheads(per_step_s=100e-6, per_sequence_s=7.2e-6, per_request_s=42e-3, start_burst=0.1)
# SGLang computes waiting prompts before it decodes further, so its bursts last longer: least mean error over 283 rows. Mean TTFTs of
# short benchmarks hold its start-up, so per_request_s follows their medians instead: 110–170 ms for 922 tokens on models that need
# 40–60 ms of kernels (InferenceX, SGLang 0.5.9, 4…16 users).
_SGLANG: Final = Overheads(per_step_s=230e-6, per_sequence_s=13.5e-6, per_request_s=100e-3, start_burst=0.2)
# Neither is in the measurements. Pooled requests queue for every other user anyway, and a proxy queues nobody.
_LATENTBUD: Final = Overheads(per_step_s=1e-3, per_sequence_s=10e-6, per_request_s=10e-3, start_burst=0.0)
_LITELLM: Final = Overheads(per_step_s=0.0, per_sequence_s=0.0, per_request_s=20e-3, start_burst=0.0)
OVERHEADS: Final[Mapping[EngineKind, Overheads]] = MappingProxyType(
    {
        EngineKind.VLLM: _VLLM,
        EngineKind.SGLANG: _SGLANG,
        EngineKind.LATENTBUD: _LATENTBUD,
        EngineKind.LITELLM: _LITELLM,
    }
)
