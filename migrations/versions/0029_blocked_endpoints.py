"""When the next endpoint is no longer blocked is asked by each claim, and read from an index."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.create_index(
        "ix_endpoint_health_blocked",
        "endpoint_health",
        ["blocked_until"],
        postgresql_where=sa.text("blocked_until IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_endpoint_health_blocked", "endpoint_health")
