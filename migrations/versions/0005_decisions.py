"""Decisions, frozen once recorded."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=True),
        sa.Column("options", postgresql.JSONB(), nullable=False),
        sa.Column("criteria", postgresql.JSONB(), nullable=False),
        sa.Column("ratings", postgresql.JSONB(), nullable=False),
        sa.Column("missing_ratings", postgresql.JSONB(), nullable=False),
        sa.Column("analysis", postgresql.JSONB(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("chosen", sa.Text(), nullable=True),
        sa.Column("rationale", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("review_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(status = 'recorded') = (recorded_at IS NOT NULL)", name=op.f("ck_decisions_recorded")),
        sa.CheckConstraint(
            "kind IN ('build_vs_buy', 'tradeoff', 'tech_debt', 'architecture', 'scope')", name=op.f("ck_decisions_kind")
        ),
        sa.CheckConstraint("status IN ('draft', 'recorded')", name=op.f("ck_decisions_status")),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_decisions")),
    )
    op.create_index("ix_decisions_created", "decisions", ["workspace_id", "livemode", "created_at", "id"], unique=False)
    protect("decisions")
    _freeze_recorded()


def downgrade() -> None:
    op.drop_table("decisions")
    op.execute("DROP FUNCTION roadbed_refuse_change()")


def _freeze_recorded() -> None:
    """The application's own check comes first; this one holds for every other way to the table."""
    op.execute(
        """
        CREATE FUNCTION roadbed_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'a recorded decision never changes' USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON decisions FOR EACH ROW
        WHEN (OLD.status = 'recorded') EXECUTE FUNCTION roadbed_refuse_change()
        """
    )
