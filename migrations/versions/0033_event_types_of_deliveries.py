"""A delivery knows its event's type, so that a page of the log reads no events."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("event_type", sa.Text(), nullable=True))
    op.execute(
        """
        UPDATE deliveries AS delivery SET event_type = event.type
        FROM events AS event
        WHERE event.workspace_id = delivery.workspace_id AND event.livemode = delivery.livemode
          AND event.id = delivery.event_id
        """
    )
    op.alter_column("deliveries", "event_type", nullable=False)


def downgrade() -> None:
    op.drop_column("deliveries", "event_type")
