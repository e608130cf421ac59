"""Tables: what PostgreSQL decides and remembers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, DateTime, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

MODEL_SET_LENGTH = 64  # characters of a version, as the request's field takes


class Base(DeclarativeBase):
    """Declarative base."""

    type_annotation_map = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(none_as_null=True),
        list[Any]: JSONB(none_as_null=True),
        UUID: Uuid(),
        bytes: LargeBinary(),
        str: Text(),
    }


def table_of(row: type[Base]) -> Table:
    """Return the table behind a row class: statements on it skip the ORM, which the hot paths cannot afford."""
    table = row.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{row.__name__} has no table of its own")
    return table


class WorkflowRow(Base):
    """One request and how it stands."""

    __tablename__ = "workflows"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(String(16), index=True)
    project_id: Mapped[str | None] = mapped_column(String(255), index=True)
    cluster_id: Mapped[str | None] = mapped_column(String(255))
    token_id: Mapped[UUID | None]
    model_name: Mapped[str] = mapped_column(String(255), server_default="")
    method: Mapped[str] = mapped_column(String(16), server_default="")
    request: Mapped[dict[str, Any] | None]
    notes: Mapped[dict[str, Any] | None]
    result: Mapped[dict[str, Any] | None]
    parts_total: Mapped[int] = mapped_column(server_default="0")
    parts_done: Mapped[int] = mapped_column(server_default="0")
    seq: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    deadline_at: Mapped[datetime | None]
    deadline_announced: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    finished_at: Mapped[datetime | None]

    __table_args__ = (Index("idx_workflows_due", "deadline_at", postgresql_where=text("status = 'RUNNING'")),)


class PartRow(Base):
    """Cluster × hardware group × engine of one workflow."""

    __tablename__ = "parts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    workflow_id: Mapped[UUID] = mapped_column(ForeignKey("workflows.id", ondelete="CASCADE"), index=True)
    key: Mapped[str]
    cluster_id: Mapped[str] = mapped_column(String(255))
    device_type: Mapped[str] = mapped_column(String(32))
    engine: Mapped[str] = mapped_column(String(32))
    part: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any] | None]
    evaluate_attempts: Mapped[int] = mapped_column(server_default="0")
    search_attempts: Mapped[int] = mapped_column(server_default="0")


class PredictedFigures:
    """Predicted TTFT [ms], throughput [output tokens/s] and E2E latency [s], each with its 5 % and 95 % quantiles."""

    ttft: Mapped[float]
    ttft_p5: Mapped[float]
    ttft_p95: Mapped[float]
    throughput_per_user: Mapped[float]
    throughput_per_user_p5: Mapped[float]
    throughput_per_user_p95: Mapped[float]
    e2e_latency: Mapped[float]
    e2e_latency_p5: Mapped[float]
    e2e_latency_p95: Mapped[float]


class SimulationResultRow(PredictedFigures, Base):
    """One recommended configuration: the LLD's columns, and the contract's."""

    __tablename__ = "simulation_results"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    workflow_id: Mapped[UUID]
    config_id: Mapped[UUID] = mapped_column(unique=True)
    part_id: Mapped[UUID]
    rank: Mapped[int]
    cluster_rank: Mapped[int]
    model_name: Mapped[str] = mapped_column(String(255))
    model_version: Mapped[str] = mapped_column(String(50))
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    target_concurrency: Mapped[int]
    target_ttft: Mapped[float]
    target_throughput_per_user: Mapped[float]
    target_e2e_latency: Mapped[float]
    cluster_id: Mapped[str] = mapped_column(String(255))
    node_id: Mapped[str] = mapped_column(String(255))
    node_name: Mapped[str] = mapped_column(String(255))
    device_id: Mapped[str] = mapped_column(String(255))
    device_name: Mapped[str] = mapped_column(String(255))
    device_type: Mapped[str] = mapped_column(String(10))
    device_model: Mapped[str | None] = mapped_column(String(255))
    raw_name: Mapped[str | None] = mapped_column(String(255))
    available_count: Mapped[int]
    cores: Mapped[int | None]
    mem_per_gpu_in_gb: Mapped[float]
    hbm_bandwidth_in_gb_per_sec: Mapped[float]
    intra_node_bandwidth_in_gb_per_sec: Mapped[float]
    intra_node_min_message_latency: Mapped[float]
    peak_fp16_tflops: Mapped[float]
    peak_i8_tflops: Mapped[float]
    peak_i4_tflops: Mapped[float]
    inter_node_bandwidth_in_gb_per_sec: Mapped[float]
    engine: Mapped[str] = mapped_column(String(255))
    engine_image: Mapped[str] = mapped_column(String(255))
    engine_version: Mapped[str | None] = mapped_column(String(50))
    tool_calling_parser_type: Mapped[str | None] = mapped_column(String(100))
    reasoning_parser_type: Mapped[str | None] = mapped_column(String(100))
    architecture_family: Mapped[str | None] = mapped_column(String(100))
    chat_template: Mapped[str | None] = mapped_column(String(500))
    supports_lora: Mapped[bool | None]
    supports_pipeline_parallelism: Mapped[bool | None]
    tp_size: Mapped[int]
    pp_size: Mapped[int]
    concurrency: Mapped[int]
    replicas: Mapped[int]
    error_rate: Mapped[float]
    cost_per_million_tokens: Mapped[float]
    meets_slo: Mapped[bool]
    method: Mapped[str] = mapped_column(String(16), server_default="")
    model_set: Mapped[str] = mapped_column(String(MODEL_SET_LENGTH), server_default="")
    blacklist_key: Mapped[str]
    blacklist_entry: Mapped[dict[str, Any]]
    top_k_configs: Mapped[dict[str, Any] | None]
    is_blacklisted: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    modified_at: Mapped[datetime | None] = mapped_column(onupdate=func.now())

    __table_args__ = (
        Index("idx_simulation_results_workflow_id", "workflow_id"),
        Index("idx_simulation_results_cluster_id", "cluster_id"),
        Index("idx_simulation_results_workflow_cluster", "workflow_id", "cluster_id"),
        Index(
            "idx_simulation_results_topk_cost", "top_k_configs", postgresql_using="gin", postgresql_ops={"top_k_configs": "jsonb_path_ops"}
        ),
    )


class SetPredictionRow(PredictedFigures, Base):
    """What a model set that did not answer predicts of a recommended configuration."""

    __tablename__ = "set_predictions"

    config_id: Mapped[UUID] = mapped_column(ForeignKey("simulation_results.config_id", ondelete="CASCADE"), primary_key=True)
    model_set: Mapped[str] = mapped_column(String(MODEL_SET_LENGTH), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OutboxRow(Base):
    """A committed message that must be sent."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    stream_key: Mapped[str]
    topic: Mapped[str]
    key: Mapped[bytes | None]
    value: Mapped[bytes | None]
    headers: Mapped[list[Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    sent_at: Mapped[datetime | None]

    __table_args__ = (Index("idx_outbox_unsent", "stream_key", "id", postgresql_where=text("sent_at IS NULL")),)


class HeartbeatRow(Base):
    """When PostgreSQL was last seen by any of those who look after something."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    seen_at: Mapped[datetime]


class ClusterRow(Base):
    """A topology as last reported."""

    __tablename__ = "clusters"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    topology: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime]


class ClusterOffsetRow(Base):
    """How far clusters.v1 has been stored."""

    __tablename__ = "cluster_offsets"

    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_offset: Mapped[int] = mapped_column(BigInteger)


class FeedbackRow(Base):
    """Feedback as it came; observed figures are kept for calibration."""

    __tablename__ = "feedback"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    event_id: Mapped[UUID] = mapped_column(unique=True, server_default=text("gen_random_uuid()"))
    config_id: Mapped[UUID] = mapped_column(index=True)
    workflow_id: Mapped[UUID]
    failed: Mapped[bool]
    reason: Mapped[str]
    observed: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BlacklistRow(Base):
    """One entry of a key's blacklist."""

    __tablename__ = "blacklist"

    key: Mapped[str] = mapped_column(primary_key=True)
    config_id: Mapped[UUID] = mapped_column(primary_key=True)
    entry: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime]


class BlacklistVersionRow(Base):
    """The version of a key's entry set; it only grows."""

    __tablename__ = "blacklist_versions"

    key: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)


class TokenRow(Base):
    """An API token; only its hash is kept."""

    __tablename__ = "tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    projects: Mapped[list[Any] | None]
    clusters: Mapped[list[Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]


class PriceRow(Base):
    """A streamed price of one device-hour, and the one that follows it at a time to come."""

    __tablename__ = "prices"

    key: Mapped[str] = mapped_column(String(511), primary_key=True)
    usd_per_hour: Mapped[float | None] = mapped_column(Float)
    next_usd_per_hour: Mapped[float | None] = mapped_column(Float)
    next_from: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
