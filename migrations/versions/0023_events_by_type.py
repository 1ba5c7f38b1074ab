"""The events of a rare type are found without reading past all others."""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.create_index("ix_events_type", "events", ["workspace_id", "livemode", "type", "id"])


def downgrade() -> None:
    op.drop_index("ix_events_type", "events")
