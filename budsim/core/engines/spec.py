"""Engine kinds, the metadata of a compatible engine, and the scenario a candidate is judged in."""

from dataclasses import dataclass
from enum import StrEnum

from budsim.core.hardware.spec import Accelerator
from budsim.core.model.spec import ModelSpec
from budsim.core.workload import Workload


class EngineKind(StrEnum):
    """Engines BudSim recommends."""

    VLLM = "vllm"
    SGLANG = "sglang"
    LITELLM = "litellm"
    LATENTBUD = "latentbud"


class Endpoint(StrEnum):
    """What the deployment serves."""

    LLM = "LLM"
    EMBEDDING = "EMBEDDING"
    RERANK = "RERANK"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProfile:
    """One engine version as it would run one model on one device type.

    Attributes:
        version: Engine release the args are written for.
        image: Container image.
        preference: 0 is preferred; a tie-break after SLO and cost.
        runtime: Name of the server that really runs, where it is none that BudSim recommends: its measurements are predicted all the same.
    """

    kind: EngineKind
    version: str
    image: str
    preference: int
    supports_lora: bool = False
    supports_pipeline_parallelism: bool = False
    tool_calling_parser: str | None = None
    reasoning_parser: str | None = None
    architecture_family: str | None = None
    chat_template: str | None = None
    runtime: str | None = None

    @property
    def served_by(self) -> str:
        """Name of the server that runs."""
        return self.runtime or self.kind.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What all candidates of one part share.

    Attributes:
        memory_bytes: Memory one replica may use on one device. [bytes]
    """

    model: ModelSpec
    device: Accelerator
    memory_bytes: float
    engine: EngineProfile
    workload: Workload

    @property
    def context_tokens(self) -> int:
        """The longest sequence the deployment must take: the planned one, within what the model knows. [tokens]"""
        return max(1, min(self.workload.sequence_tokens, self.model.max_context_length))
