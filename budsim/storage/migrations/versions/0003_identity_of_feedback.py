"""Feedback has an identity: a redelivered event counts once"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("feedback", sa.Column("event_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False))
    op.create_unique_constraint("feedback_event_id_key", "feedback", ["event_id"])


def downgrade() -> None:
    """Take back."""
    op.drop_constraint("feedback_event_id_key", "feedback", type_="unique")
    op.drop_column("feedback", "event_id")
