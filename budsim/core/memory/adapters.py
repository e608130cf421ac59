"""How many LoRA adapters a deployment has room for."""

from typing import Final

from budsim.core.engines.candidates import Candidate
from budsim.core.engines.common_arguments import LORA_RANK
from budsim.core.engines.spec import Scenario
from budsim.core.model.adapters import adapter_bytes

MOST_LORAS: Final = 5  # CONTRACT «Engines»


def max_loras(scenario: Scenario, candidate: Candidate, *, free_bytes: float) -> int:
    """Return the most adapters of rank 256 that fit beside the plan on every device, at most five; 0 where the engine takes none.

    Args:
        scenario: Model, device and engine.
        candidate: The planned deployment.
        free_bytes: What the plan leaves of the usable memory of the fullest device. [bytes]
    """
    if not scenario.engine.supports_lora:
        return 0
    whole = adapter_bytes(scenario.model, rank=LORA_RANK, tensor_parallel=candidate.tensor_parallel)
    fitting = int(max(0.0, free_bytes) // max(1.0, whole / candidate.pipeline_parallel))
    return min(MOST_LORAS, fitting)
