"""The first schema"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    _blacklist()
    _blacklist_versions()
    _cluster_offsets()
    _clusters()
    _feedback()
    _outbox()
    _prices()
    _simulation_results()
    _tokens()
    _workflows()
    _parts()


def downgrade() -> None:
    """Take back."""
    op.drop_index(op.f("ix_parts_workflow_id"), table_name="parts")
    op.drop_table("parts")
    op.drop_index(op.f("ix_workflows_status"), table_name="workflows")
    op.drop_index(op.f("ix_workflows_project_id"), table_name="workflows")
    op.drop_index(op.f("ix_workflows_created_at"), table_name="workflows")
    op.drop_index("idx_workflows_due", table_name="workflows", postgresql_where=sa.text("status = 'RUNNING'"))
    op.drop_table("workflows")
    op.drop_table("tokens")
    op.drop_index("idx_simulation_results_workflow_id", table_name="simulation_results")
    op.drop_index("idx_simulation_results_workflow_cluster", table_name="simulation_results")
    op.drop_index(
        "idx_simulation_results_topk_cost",
        table_name="simulation_results",
        postgresql_using="gin",
        postgresql_ops={"top_k_configs": "jsonb_path_ops"},
    )
    op.drop_index("idx_simulation_results_cluster_id", table_name="simulation_results")
    op.drop_table("simulation_results")
    op.drop_table("prices")
    op.drop_index("idx_outbox_unsent", table_name="outbox", postgresql_where=sa.text("sent_at IS NULL"))
    op.drop_table("outbox")
    op.drop_index(op.f("ix_feedback_config_id"), table_name="feedback")
    op.drop_table("feedback")
    op.drop_table("clusters")
    op.drop_table("cluster_offsets")
    op.drop_table("blacklist_versions")
    op.drop_table("blacklist")


def _blacklist() -> None:
    op.create_table(
        "blacklist",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("config_id", sa.Uuid(), nullable=False),
        sa.Column("entry", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", "config_id"),
    )


def _blacklist_versions() -> None:
    op.create_table(
        "blacklist_versions",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )


def _cluster_offsets() -> None:
    op.create_table(
        "cluster_offsets",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition"),
    )


def _clusters() -> None:
    op.create_table(
        "clusters",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("topology", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("config_id", sa.Uuid(), nullable=False),
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("failed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("observed", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_feedback_config_id"), "feedback", ["config_id"], unique=False)


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("stream_key", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("headers", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("idx_outbox_unsent", "outbox", ["stream_key", "id"], unique=False, postgresql_where=sa.text("sent_at IS NULL"))


def _prices() -> None:
    op.create_table(
        "prices",
        sa.Column("key", sa.String(length=511), nullable=False),
        sa.Column("usd_per_hour", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )


def _asked_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("config_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("cluster_rank", sa.Integer(), nullable=False),
        sa.Column("model_name", sa.String(length=255), nullable=False),
        sa.Column("model_version", sa.String(length=50), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("target_concurrency", sa.Integer(), nullable=False),
        sa.Column("target_ttft", sa.Double(), nullable=False),
        sa.Column("target_throughput_per_user", sa.Double(), nullable=False),
        sa.Column("target_e2e_latency", sa.Double(), nullable=False),
    ]


def _hardware_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("cluster_id", sa.String(length=255), nullable=False),
        sa.Column("node_id", sa.String(length=255), nullable=False),
        sa.Column("node_name", sa.String(length=255), nullable=False),
        sa.Column("device_id", sa.String(length=255), nullable=False),
        sa.Column("device_name", sa.String(length=255), nullable=False),
        sa.Column("device_type", sa.String(length=10), nullable=False),
        sa.Column("device_model", sa.String(length=255), nullable=True),
        sa.Column("raw_name", sa.String(length=255), nullable=True),
        sa.Column("available_count", sa.Integer(), nullable=False),
        sa.Column("cores", sa.Integer(), nullable=True),
        sa.Column("mem_per_gpu_in_gb", sa.Double(), nullable=False),
        sa.Column("hbm_bandwidth_in_gb_per_sec", sa.Double(), nullable=False),
        sa.Column("intra_node_bandwidth_in_gb_per_sec", sa.Double(), nullable=False),
        sa.Column("intra_node_min_message_latency", sa.Double(), nullable=False),
        sa.Column("peak_fp16_tflops", sa.Double(), nullable=False),
        sa.Column("peak_i8_tflops", sa.Double(), nullable=False),
        sa.Column("peak_i4_tflops", sa.Double(), nullable=False),
        sa.Column("inter_node_bandwidth_in_gb_per_sec", sa.Double(), nullable=False),
    ]


def _engine_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("engine", sa.String(length=255), nullable=False),
        sa.Column("engine_image", sa.String(length=255), nullable=False),
        sa.Column("engine_version", sa.String(length=50), nullable=True),
        sa.Column("tool_calling_parser_type", sa.String(length=100), nullable=True),
        sa.Column("reasoning_parser_type", sa.String(length=100), nullable=True),
        sa.Column("architecture_family", sa.String(length=100), nullable=True),
        sa.Column("chat_template", sa.String(length=500), nullable=True),
        sa.Column("supports_lora", sa.Boolean(), nullable=True),
        sa.Column("supports_pipeline_parallelism", sa.Boolean(), nullable=True),
    ]


def _figure_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("tp_size", sa.Integer(), nullable=False),
        sa.Column("pp_size", sa.Integer(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("replicas", sa.Integer(), nullable=False),
        sa.Column("ttft", sa.Double(), nullable=False),
        sa.Column("ttft_p5", sa.Double(), nullable=False),
        sa.Column("ttft_p95", sa.Double(), nullable=False),
        sa.Column("throughput_per_user", sa.Double(), nullable=False),
        sa.Column("throughput_per_user_p5", sa.Double(), nullable=False),
        sa.Column("throughput_per_user_p95", sa.Double(), nullable=False),
        sa.Column("e2e_latency", sa.Double(), nullable=False),
        sa.Column("e2e_latency_p5", sa.Double(), nullable=False),
        sa.Column("e2e_latency_p95", sa.Double(), nullable=False),
        sa.Column("error_rate", sa.Double(), nullable=False),
        sa.Column("cost_per_million_tokens", sa.Double(), nullable=False),
        sa.Column("meets_slo", sa.Boolean(), nullable=False),
    ]


def _state_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("blacklist_key", sa.Text(), nullable=False),
        sa.Column("blacklist_entry", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("top_k_configs", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("is_blacklisted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True),
    ]


def _simulation_results() -> None:
    op.create_table(
        "simulation_results",
        *_asked_columns(),
        *_hardware_columns(),
        *_engine_columns(),
        *_figure_columns(),
        *_state_columns(),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("config_id"),
    )
    op.create_index("idx_simulation_results_cluster_id", "simulation_results", ["cluster_id"], unique=False)
    op.create_index(
        "idx_simulation_results_topk_cost",
        "simulation_results",
        ["top_k_configs"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"top_k_configs": "jsonb_path_ops"},
    )
    op.create_index("idx_simulation_results_workflow_cluster", "simulation_results", ["workflow_id", "cluster_id"], unique=False)
    op.create_index("idx_simulation_results_workflow_id", "simulation_results", ["workflow_id"], unique=False)


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("projects", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("clusters", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("secret_hash"),
    )


def _workflows() -> None:
    op.create_table(
        "workflows",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=True),
        sa.Column("cluster_id", sa.String(length=255), nullable=True),
        sa.Column("token_id", sa.Uuid(), nullable=True),
        sa.Column("model_name", sa.String(length=255), server_default="", nullable=False),
        sa.Column("method", sa.String(length=16), server_default="", nullable=False),
        sa.Column("request", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("body_hash", sa.String(length=64), nullable=True),
        sa.Column("notes", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("parts_total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("parts_done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_announced", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("idx_workflows_due", "workflows", ["deadline_at"], unique=False, postgresql_where=sa.text("status = 'RUNNING'"))
    op.create_index(op.f("ix_workflows_created_at"), "workflows", ["created_at"], unique=False)
    op.create_index(op.f("ix_workflows_project_id"), "workflows", ["project_id"], unique=False)
    op.create_index(op.f("ix_workflows_status"), "workflows", ["status"], unique=False)


def _parts() -> None:
    op.create_table(
        "parts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("cluster_id", sa.String(length=255), nullable=False),
        sa.Column("device_type", sa.String(length=32), nullable=False),
        sa.Column("engine", sa.String(length=32), nullable=False),
        sa.Column("part", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("evaluate_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("search_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_parts_workflow_id"), "parts", ["workflow_id"], unique=False)
