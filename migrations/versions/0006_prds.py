"""PRDs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "prds",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("sections", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('draft', 'in_review', 'approved', 'shipped', 'archived')", name=op.f("ck_prds_status")
        ),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_prds")),
    )
    op.create_index("ix_prds_created", "prds", ["workspace_id", "livemode", "created_at", "id"], unique=False)
    protect("prds", app="SELECT, INSERT, UPDATE")


def downgrade() -> None:
    op.drop_table("prds")
