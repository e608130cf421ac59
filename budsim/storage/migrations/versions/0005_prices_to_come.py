"""A price may be told before it is valid; the hash of a request's body, which nobody reads, is dropped"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.drop_column("workflows", "body_hash")
    op.alter_column("prices", "usd_per_hour", existing_type=sa.Float(), nullable=True)
    op.add_column("prices", sa.Column("next_usd_per_hour", sa.Float(), nullable=True))
    op.add_column("prices", sa.Column("next_from", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take back; a price that is only to come cannot be kept."""
    op.execute("DELETE FROM prices WHERE usd_per_hour IS NULL")
    op.drop_column("prices", "next_from")
    op.drop_column("prices", "next_usd_per_hour")
    op.alter_column("prices", "usd_per_hour", existing_type=sa.Float(), nullable=False)
    op.add_column("workflows", sa.Column("body_hash", sa.String(64), nullable=True))
