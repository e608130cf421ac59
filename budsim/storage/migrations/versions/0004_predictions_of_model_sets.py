"""Who predicted a recommended configuration, and what another model set says of it"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FIGURES = ("ttft", "throughput_per_user", "e2e_latency")


def upgrade() -> None:
    """Apply."""
    op.add_column("simulation_results", sa.Column("method", sa.String(16), server_default="", nullable=False))
    op.add_column("simulation_results", sa.Column("model_set", sa.String(64), server_default="", nullable=False))
    quantiles = (f"{figure}{quantile}" for figure in FIGURES for quantile in ("", "_p5", "_p95"))
    op.create_table(
        "set_predictions",
        sa.Column("config_id", sa.Uuid(), nullable=False),
        sa.Column("model_set", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=False) for name in quantiles),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("config_id", "model_set"),
        sa.ForeignKeyConstraint(["config_id"], ["simulation_results.config_id"], ondelete="CASCADE"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("set_predictions")
    op.drop_column("simulation_results", "model_set")
    op.drop_column("simulation_results", "method")
