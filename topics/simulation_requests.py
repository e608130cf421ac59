"""simulation-requests.v1, key workflow_id; the same body is POSTed to /simulator/run."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, field_validator, model_validator

from topics.clusters import ClusterBody
from topics.wire import Amount, Concurrency, Event, Identifier, Target, Tokens, WireModel


class SimulationMethod(StrEnum):
    """How to predict."""

    REGRESSOR = "regressor"
    HEURISTIC = "heuristic"


class SearchBody(WireModel):
    """Bounds of the genetic search."""

    population: Annotated[int, Field(ge=4, le=500)] = 50
    generations: Annotated[int, Field(ge=1, le=200)] = 30
    elite: Annotated[float, Field(ge=0, le=0.9)] = 0.2
    crossover: Annotated[float, Field(ge=0, le=1)] = 0.7
    mutation: Annotated[float, Field(ge=0, le=1)] = 0.2
    convergence: Annotated[int, Field(ge=1, le=200)] = 10


class NotificationMetadata(WireModel):
    """What the caller wants to see again on every progress event."""

    name: Annotated[str, Field(max_length=255)] | None = None
    subscriber_ids: str | list[str] | None = None
    workflow_id: Annotated[str, Field(max_length=255)] | None = None


class SimulationRequested(Event):
    """The question: how should this model be deployed, for this load and these SLOs?"""

    ce_type: ClassVar[str] = "budsim.simulation.requested.v1"

    pretrained_model_uri: Identifier
    model_uri: Identifier | None = None
    is_proprietary_model: bool = False
    input_tokens: Tokens
    output_tokens: Tokens
    concurrency: Concurrency | None = None
    request_rate: Annotated[float, Field(gt=0, le=10**6, allow_inf_nan=False)] | None = None
    target_ttft: Target | None = None
    target_throughput_per_user: Target | None = None
    target_e2e_latency: Target | None = None
    cluster_id: Identifier | None = None
    clusters: Annotated[list[ClusterBody], Field(min_length=1, max_length=100)] | None = None
    simulation_method: SimulationMethod | None = None
    hardware_mode: Literal["dedicated", "shared"] = "dedicated"
    is_quantization: bool = False
    quantization_method: Annotated[str, Field(max_length=64)] | None = None
    quantization_type: Annotated[str, Field(max_length=64)] | None = None
    model_endpoints: Annotated[str, Field(max_length=255)] | None = None
    model_max_context_length: Tokens | None = None
    engines: Annotated[list[Literal["vllm", "sglang", "litellm", "latentbud"]], Field(min_length=1)] | None = None
    top_k: Annotated[int, Field(ge=1, le=50)] = 5
    notification_metadata: NotificationMetadata | None = None
    source: Annotated[str, Field(max_length=255)] | None = None
    source_topic: Annotated[str, Field(max_length=249)] | Annotated[list[str], Field(max_length=10)] | None = None
    debug: bool = False
    project_id: Identifier | None = None
    workflow_id: UUID | None = None
    min_slo_probability: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5
    deadline_s: Annotated[float, Field(ge=5, le=600, allow_inf_nan=False)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    model_set: Annotated[str, Field(max_length=64)] | None = None
    search: SearchBody = SearchBody()
    spread: bool = False
    usd_per_hour: dict[str, Amount] | None = None

    @field_validator("engines", mode="before")
    @classmethod
    def _lower_case(cls, value: object) -> object:
        return [name.lower() if isinstance(name, str) else name for name in value] if isinstance(value, list) else value

    @model_validator(mode="after")
    def _one_load(self) -> Self:
        if self.concurrency is None and self.request_rate is None:
            msg = "concurrency (users of a closed loop) or request_rate (requests/s of an open loop) must be given"
            raise ValueError(msg)
        return self
