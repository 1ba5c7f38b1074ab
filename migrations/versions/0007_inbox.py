"""The built-in receiver's messages."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "inbox_messages",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_inbox_messages")),
    )
    protect("inbox_messages", app="SELECT, INSERT, DELETE")


def downgrade() -> None:
    op.drop_table("inbox_messages")
