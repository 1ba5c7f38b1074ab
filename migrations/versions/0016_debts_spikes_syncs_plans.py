"""Technical debts, spikes, syncs, blockers and plans."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0016"
down_revision = "0015"

_JSONB = postgresql.JSONB()
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _table(
        "debts",
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("facts", _JSONB, nullable=False),
        sa.Column("told", _JSONB, nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("payback_months", sa.Numeric(), nullable=True),
        sa.CheckConstraint(
            "status IN ('open', 'planned', 'in_progress', 'resolved', 'deferred')", name=op.f("ck_debts_status")
        ),
        sa.CheckConstraint("verdict IN ('pay_down', 'defer')", name=op.f("ck_debts_verdict")),
    )
    _table(
        "spikes",
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=True),
        sa.Column("timebox_days", sa.Numeric(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("feature_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", _TIME, nullable=True),
        sa.Column("due_at", _TIME, nullable=True),
        sa.Column("overran_at", _TIME, nullable=True),
        sa.Column("concluded_at", _TIME, nullable=True),
        sa.Column("feasibility", sa.Text(), nullable=True),
        sa.Column("estimate", _JSONB, nullable=True),
        sa.Column("risks", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("recommendation", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("decision_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("status IN ('requested', 'started', 'concluded')", name=op.f("ck_spikes_status")),
    )
    op.create_index(
        "ix_spikes_due_at",
        "spikes",
        ["due_at"],
        postgresql_where=sa.text("status = 'started' AND overran_at IS NULL"),
    )
    _table(
        "syncs",
        sa.Column("monday", sa.Date(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("told", _JSONB, nullable=False),
        sa.Column("markdown", sa.Text(), nullable=False),
        sa.Column("shipped_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("actions", _JSONB, nullable=False),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("held_at", _TIME, nullable=True),
        sa.CheckConstraint("status IN ('planned', 'held')", name=op.f("ck_syncs_status")),
        created_index=False,
    )
    op.create_index("ix_syncs_monday", "syncs", ["workspace_id", "livemode", "monday", "id"])
    _table(
        "blockers",
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("feature_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("escalated_to", sa.Text(), nullable=True),
        sa.Column("escalated_at", _TIME, nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("resolved_at", _TIME, nullable=True),
        sa.CheckConstraint("severity IN ('low', 'medium', 'high')", name=op.f("ck_blockers_severity")),
        sa.CheckConstraint("status IN ('open', 'escalated', 'resolved')", name=op.f("ck_blockers_status")),
        created_index=False,
    )
    op.create_index("ix_blockers_status", "blockers", ["workspace_id", "livemode", "status", "created_at", "id"])
    _table(
        "plans",
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("facts", _JSONB, nullable=False),
        sa.Column("told", _JSONB, nullable=False),
        sa.Column("loadtests", _JSONB, server_default=sa.text("'[]'"), nullable=False),
    )
    protect("debts")
    protect("spikes", app="SELECT, INSERT, UPDATE", worker="SELECT, UPDATE")
    protect("syncs", app="SELECT, INSERT, UPDATE")
    protect("blockers", app="SELECT, INSERT, UPDATE")
    protect("plans")


def downgrade() -> None:
    for table in ("plans", "blockers", "syncs", "spikes", "debts"):
        op.drop_table(table)


def _table(name: str, *parts: sa.Column[object] | sa.CheckConstraint, created_index: bool = True) -> None:
    """A resource's table: the tenant, an id, its own columns, and the stamps."""
    op.create_table(
        name,
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        *parts,
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f(f"pk_{name}")),
    )
    if created_index:
        op.create_index(f"ix_{name}_created", name, ["workspace_id", "livemode", "created_at", "id"])
