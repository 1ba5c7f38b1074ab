"""What is held or dead is found by its endpoint, and endpoints that are disabled by themselves.

Both are looked for all the time, to mend what changed while an event was being written and to hold or send on a large
backlog in steps; and how an endpoint stands is asked of logs of millions.
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    op.create_index(
        "ix_deliveries_held",
        "deliveries",
        ["workspace_id", "livemode", "endpoint_id", "xid", "id"],
        postgresql_where=sa.text("status = 'held'"),
    )
    op.create_index(
        "ix_deliveries_dead",
        "deliveries",
        ["workspace_id", "livemode", "endpoint_id", "id"],
        postgresql_where=sa.text("status = 'dead'"),
    )
    op.create_index(
        "ix_endpoints_disabled",
        "endpoints",
        ["workspace_id", "livemode", "id"],
        postgresql_where=sa.text("NOT enabled"),
    )


def downgrade() -> None:
    op.drop_index("ix_endpoints_disabled", "endpoints")
    op.drop_index("ix_deliveries_dead", "deliveries")
    op.drop_index("ix_deliveries_held", "deliveries")
