"""recommendations.v1, key workflow_id: the answer, one event per workflow, also on failure. Edge units are the LLD's."""

from typing import Any, ClassVar, Literal

from topics.explanations import BoundShareBody, ChangeBody, ExplanationBody
from topics.wire import Event, WireModel


class DeviceTypeBody(WireModel):
    """Replicas of one hardware group."""

    device_type: str
    num_replicas: int
    concurrency: int
    cost_per_million_tokens: float


class MetricsBody(WireModel):
    """Predicted figures: ttft [ms], throughput [output tokens/s per user], e2e [s], cost [$ per 10⁶ output tokens]."""

    device_types: list[DeviceTypeBody]
    replica: int
    concurrency: int
    ttft: float
    throughput_per_user: float
    e2e_latency: float
    error_rate: float
    cost_per_million_tokens: float


class RangeBody(WireModel):
    """5 % and 95 % quantiles."""

    p5: float
    p95: float


class IntervalsBody(WireModel):
    """90 % intervals of the predicted figures, in their units."""

    ttft: RangeBody
    throughput_per_user: RangeBody
    e2e_latency: RangeBody


class PlacementBody(WireModel):
    """Devices of one node taken by one replica."""

    node: str
    devices: int
    replica: int
    device_ids: list[str] = []


class ConfigurationBody(WireModel):
    """One deployable configuration; memory in GB (10⁹ bytes) per device."""

    config_id: str
    engine: str
    engine_version: str
    image: str
    args: dict[str, Any]
    envs: dict[str, str]
    device_type: str
    device_name: str
    device_model: str | None
    hardware_mode: str
    tp_size: int
    pp_size: int
    replicas: int
    placement: list[PlacementBody]
    concurrency: int
    total_memory_gb: float
    weight_memory_gb: float
    kv_cache_memory_gb: float
    weight_format: str = ""
    max_loras: int = 0
    ttft: float
    tpot: float
    throughput_per_user: float
    e2e_latency: float
    error_rate: float
    cost_per_million_tokens: float
    cost_source: str
    intervals: IntervalsBody
    meets_slo: bool
    slo_probability: float
    bound: str
    bound_shares: list[BoundShareBody] = []
    usable_memory_gb: float = 0.0
    activation_memory_gb: float = 0.0
    overhead_memory_gb: float = 0.0
    method: str = ""
    model_set_version: str = ""


class RecommendationBody(WireModel):
    """One cluster that carries the target, best configuration first.

    `deployed_config_ids` names what is to be deployed, the first of `configurations`: one, or several on different hardware groups that
    carry the target together. Then `metrics` are of all of them: the slowest latency, the cost weighted by users.
    """

    cluster_id: str
    metrics: MetricsBody
    quantized_metrics: MetricsBody | None = None
    engine_version: str | None
    tool_calling_parser_type: str | None
    reasoning_parser_type: str | None
    architecture_family: str | None
    chat_template: str | None
    supports_lora: bool
    supports_pipeline_parallelism: bool
    intervals: IntervalsBody
    meets_slo: bool
    slo_probability: float
    method: str
    method_note: str
    model_set_version: str
    data_version: str
    explanation: str
    warnings: list[str]
    excluded_config_ids: list[str]
    configurations: list[ConfigurationBody]
    pareto: list[ConfigurationBody]
    deployed_config_ids: list[str] = []
    explained: ExplanationBody | None = None
    changes: list[ChangeBody] = []


class RejectedBody(WireModel):
    """A cluster, or a piece of it, that does not do, and what would make it fit."""

    cluster_id: str
    device_type: str | None = None
    engine: str | None = None
    code: str
    reason: str
    remedy: str = ""
    changes: list[ChangeBody] = []


class MissingBody(WireModel):
    """A part that did not answer before the deadline."""

    part_id: str
    cluster_id: str
    device_type: str
    engine: str


class FailureBody(WireModel):
    """Why there is no recommendation."""

    code: str
    message: str
    remedy: str = ""
    param: str | None = None


class RecommendationMade(Event):
    """The answer of one workflow."""

    ce_type: ClassVar[str] = "budsim.recommendation.made.v1"

    object: Literal["cluster_recommendations"] = "cluster_recommendations"
    workflow_id: str
    status: Literal["completed", "partial", "failed"]
    recommendations: list[RecommendationBody]
    rejected: list[RejectedBody] = []
    missing: list[MissingBody] = []
    error: FailureBody | None = None
    created: int
