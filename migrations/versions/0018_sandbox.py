"""Sandboxes that are reset, or made without signing up; first calls, and the steps of the tutorial."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import APP_ROLE, WORKER_ROLE, keep_from_reset, let_sandbox_reset, protect

revision = "0018"
down_revision = "0017"

NEVER_DELETED = (
    "scores",
    "latest_scores",
    "scoring_models",
    "imports",
    "rankings",
    "ranking_pages",
    "roadmap_revisions",
    "roadmap_policies",
    "roadmap_views",
    "prds",
    "prd_versions",
    "prd_reviews",
    "prd_observations",
    "decision_heads",
    "decision_chain",
    "decision_links",
    "decision_observations",
    "decision_reviews",
    "events",
    "deliveries",
    "attempts",
    "search_words",
    "spikes",
    "syncs",
    "blockers",
)
OF_ABANDONED = ("usage_days", "usage_months")


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("claim_until", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_workspaces_claim_until",
        "workspaces",
        ["claim_until"],
        postgresql_where=sa.text("claim_until IS NOT NULL"),
    )
    op.create_table(
        "first_calls",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "key_id", name=op.f("pk_first_calls")),
    )
    op.create_table(
        "onboarding_steps",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "step", name=op.f("pk_onboarding_steps")),
    )
    op.create_index("ix_first_calls_untold", "first_calls", ["at"], postgresql_where=sa.text("NOT told"))
    protect("first_calls", app="SELECT, INSERT", worker="SELECT, UPDATE, DELETE")
    op.execute(f"CREATE POLICY metering ON first_calls TO {APP_ROLE} USING (roadbed_metering())")
    protect("onboarding_steps", app="SELECT, INSERT")
    _let_reset()
    _let_prune()


def downgrade() -> None:
    for table in OF_ABANDONED:
        op.execute(f"DROP POLICY abandoned ON {table}")
        op.execute(f"REVOKE SELECT, DELETE ON {table} FROM {WORKER_ROLE}")
    op.execute("DROP POLICY abandoned ON workspaces")
    op.execute(f"REVOKE SELECT, DELETE ON workspaces FROM {WORKER_ROLE}")
    op.drop_table("first_calls")
    op.drop_table("onboarding_steps")
    for table in NEVER_DELETED:
        keep_from_reset(table)
    op.execute("DROP POLICY frozen_delete ON decisions")
    op.execute(
        f"CREATE POLICY frozen_delete ON decisions AS RESTRICTIVE FOR DELETE TO {APP_ROLE} USING (status = 'draft')"
    )
    _refuse_change("")
    op.execute("DROP FUNCTION roadbed_resetting()")
    op.drop_index("ix_workspaces_claim_until", table_name="workspaces")
    op.drop_column("workspaces", "claim_until")


def _let_reset() -> None:
    op.execute(
        """
        CREATE FUNCTION roadbed_resetting() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
        RETURN coalesce(current_setting('roadbed.resetting', true), '') = 'on'
        """
    )
    for table in (*NEVER_DELETED, "onboarding_steps"):
        let_sandbox_reset(table)
    op.execute("DROP POLICY frozen_delete ON decisions")
    op.execute(
        f"CREATE POLICY frozen_delete ON decisions AS RESTRICTIVE FOR DELETE TO {APP_ROLE} "
        "USING (status = 'draft' OR (NOT livemode AND roadbed_resetting()))"
    )
    _refuse_change("IF TG_OP = 'DELETE' AND NOT OLD.livemode AND roadbed_resetting() THEN RETURN OLD; END IF;")


def _refuse_change(unless: str) -> None:
    op.execute(
        f"""
        CREATE OR REPLACE FUNCTION roadbed_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            {unless}
            RAISE EXCEPTION 'a recorded decision never changes' USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """
    )


def _let_prune() -> None:
    """The worker sees the workspaces that nobody claimed in time, and what else is of them."""
    op.execute(f"CREATE POLICY abandoned ON workspaces TO {WORKER_ROLE} USING (claim_until < now())")
    op.execute(f"GRANT SELECT, DELETE ON workspaces TO {WORKER_ROLE}")
    for table in OF_ABANDONED:
        op.execute(
            f"CREATE POLICY abandoned ON {table} TO {WORKER_ROLE} USING (workspace_id IN (SELECT id FROM workspaces))"
        )
        op.execute(f"GRANT SELECT, DELETE ON {table} TO {WORKER_ROLE}")
