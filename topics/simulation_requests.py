"""simulation-requests.v1, key workflow_id; the same body is POSTed to /simulator/run."""

import json
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, field_validator, model_validator

from topics.clusters import ClusterBody
from topics.wire import Amount, Concurrency, Event, Identifier, SentModel, Target, Tokens

MAX_METADATA_BYTES = 16 * 1024
MAX_PRICES = 1000
TopicName = Annotated[str, Field(min_length=1, max_length=249)]  # Kafka's own limit


class SimulationMethod(StrEnum):
    """How to predict."""

    REGRESSOR = "regressor"
    HEURISTIC = "heuristic"


class SearchBody(SentModel):
    """How the candidate space is searched, and the bounds of the genetic search."""

    algorithm: Literal["auto", "direct", "exhaustive", "genetic"] = "auto"
    population: Annotated[int, Field(ge=4, le=500)] = 50
    generations: Annotated[int, Field(ge=1, le=200)] = 30
    elite: Annotated[float, Field(ge=0, le=0.9)] = 0.2
    crossover: Annotated[float, Field(ge=0, le=1)] = 0.7
    mutation: Annotated[float, Field(ge=0, le=1)] = 0.2
    convergence: Annotated[int, Field(ge=1, le=200)] = 10


class NotificationMetadata(SentModel):
    """What the caller wants to see again on every progress event; fields of its own are kept."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, Field(max_length=255)] | None = None
    subscriber_ids: str | list[str] | None = None
    workflow_id: Annotated[str, Field(max_length=255)] | None = None

    @model_validator(mode="after")
    def _small(self) -> Self:
        size = len(json.dumps(self.model_dump(mode="json")))
        if size > MAX_METADATA_BYTES:
            msg = f"it has {size:,} bytes and would be repeated on every progress event; at most {MAX_METADATA_BYTES:,} are taken"
            raise ValueError(msg)
        return self


class SimulationRequested(Event, SentModel):
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
    engines: Annotated[list[Literal["vllm", "sglang", "litellm", "latentbud"]], Field(min_length=1, max_length=16)] | None = None
    top_k: Annotated[int, Field(ge=1, le=50)] = 5
    notification_metadata: NotificationMetadata | None = None
    source: Annotated[str, Field(max_length=255)] | None = None
    source_topic: TopicName | Annotated[list[TopicName], Field(max_length=10)] | None = None
    debug: bool = False
    project_id: Identifier | None = None
    workflow_id: UUID | None = None
    min_slo_probability: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5
    deadline_s: Annotated[float, Field(ge=5, le=600, allow_inf_nan=False)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    model_set: Annotated[str, Field(max_length=64)] | None = None
    search: SearchBody = SearchBody()
    spread: bool = False
    usd_per_hour: Annotated[dict[Identifier, Amount], Field(max_length=MAX_PRICES)] | None = None

    @field_validator("engines", "simulation_method", "hardware_mode", mode="before")
    @classmethod
    def _lower_case(cls, value: object) -> object:
        if isinstance(value, list):
            return [cls._lower_case(item) for item in value]
        return value.strip().lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_load(self) -> Self:
        if self.concurrency is None and self.request_rate is None:
            msg = "concurrency (users of a closed loop) or request_rate (requests/s of an open loop) must be given"
            raise ValueError(msg)
        return self
