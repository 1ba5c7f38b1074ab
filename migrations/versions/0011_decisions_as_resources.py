"""Decisions as resources: numbers, models of cost, the chain, links, observations and reviews."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import APP_ROLE, protect

revision = "0011"
down_revision = "0010"

_TENANT = ("workspace_id", "livemode")


def upgrade() -> None:
    _widen_decisions()
    _freeze_for_the_role()
    op.create_table(
        "decision_heads",
        *_tenant(),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("length", sa.Integer(), server_default="0", nullable=False),
        sa.Column("head", sa.LargeBinary(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint(*_TENANT, name=op.f("pk_decision_heads")),
    )
    op.create_table(
        "decision_chain",
        *_tenant(),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("kind IN ('decision', 'link')", name=op.f("ck_decision_chain_kind")),
        sa.PrimaryKeyConstraint(*_TENANT, "position", name=op.f("pk_decision_chain")),
    )
    op.create_index(op.f("ix_decision_chain_subject_id"), "decision_chain", ["subject_id"])
    op.create_table(
        "decision_links",
        *_tenant(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("from_id", sa.Uuid(), nullable=False),
        sa.Column("to_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('supersedes', 'amends')", name=op.f("ck_decision_links_kind")),
        _of_decision("decision_links", "from_id"),
        _of_decision("decision_links", "to_id"),
        sa.PrimaryKeyConstraint(*_TENANT, "id", name=op.f("pk_decision_links")),
        sa.UniqueConstraint(
            *_TENANT,
            "from_id",
            "to_id",
            "kind",
            name=op.f("uq_decision_links_workspace_id_livemode_from_id_to_id_kind"),
        ),
    )
    op.create_index("ix_decision_links_from", "decision_links", [*_TENANT, "from_id"])
    op.create_index("ix_decision_links_to", "decision_links", [*_TENANT, "to_id"])
    op.create_table(
        "decision_observations",
        *_tenant(),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=True),
        sa.Column("value", sa.Numeric(), nullable=True),
        sa.Column("assumption", sa.Text(), nullable=True),
        sa.Column("holds", sa.Boolean(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        _of_decision("decision_observations", "decision_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(*_TENANT, "id", name=op.f("pk_decision_observations")),
    )
    op.create_index(
        "ix_decision_observations_metric",
        "decision_observations",
        [*_TENANT, "decision_id", "metric", "observed_at"],
    )
    op.create_table(
        "decision_reviews",
        *_tenant(),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        _of_decision("decision_reviews", "decision_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(*_TENANT, "decision_id", "cause", "key", name=op.f("pk_decision_reviews")),
    )
    protect("decision_heads", app="SELECT, INSERT, UPDATE", worker="SELECT")
    protect("decision_chain", app="SELECT, INSERT", worker="SELECT")
    protect("decision_links", app="SELECT, INSERT", worker="SELECT")
    protect("decision_observations", app="SELECT, INSERT")
    protect("decision_reviews", app="SELECT, INSERT", worker="SELECT, INSERT")
    _start_the_heads()


def downgrade() -> None:
    for table in ("decision_reviews", "decision_observations", "decision_links", "decision_chain", "decision_heads"):
        op.drop_table(table)
    for policy in ("frozen_update", "frozen_delete", "worker"):
        op.execute(f"DROP POLICY {policy} ON decisions")
    op.execute("REVOKE SELECT ON decisions FROM roadbed_worker")
    op.drop_index("ix_decisions_review_at", table_name="decisions")
    op.drop_index("ix_decisions_aliases", table_name="decisions")
    op.drop_constraint(op.f("uq_decisions_workspace_id_livemode_number"), "decisions", type_="unique")
    for column in _ADDED:
        op.drop_column("decisions", column)


_ADDED = (
    "number",
    "aliases",
    "fixed",
    "assumptions",
    "triggers",
    "checklist",
    "estimate",
    "assessment",
    "decided_at",
    "confidence",
    "votes",
    "source_format",
    "source_text",
)
_NOTHING_FOUND = (
    '{"findings": [], "checklist": null, "estimate": null, "monthly_rates": {}, "beaten": [], "flexible": []}'
)


def _widen_decisions() -> None:
    """New columns, filled for the decisions that are there. The defaults were only for those."""
    jsonb, texts = postgresql.JSONB(), postgresql.ARRAY(sa.Text())
    filled: dict[str, tuple[Any, str]] = {
        "number": (sa.Integer(), "0"),
        "aliases": (texts, "{}"),
        "fixed": (texts, "{}"),
        "assumptions": (jsonb, "[]"),
        "triggers": (jsonb, "[]"),
        "assessment": (jsonb, _NOTHING_FOUND),
    }
    for name, (kind, default) in filled.items():
        op.add_column("decisions", sa.Column(name, kind, server_default=default, nullable=False))
    op.add_column("decisions", sa.Column("votes", jsonb, server_default="[]", nullable=False))
    op.add_column("decisions", sa.Column("checklist", jsonb, nullable=True))
    op.add_column("decisions", sa.Column("estimate", jsonb, nullable=True))
    op.add_column("decisions", sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("decisions", sa.Column("confidence", sa.Numeric(), nullable=True))
    op.add_column("decisions", sa.Column("source_format", sa.Text(), nullable=True))
    op.add_column("decisions", sa.Column("source_text", sa.Text(), nullable=True))
    op.execute("ALTER TABLE decisions DISABLE TRIGGER frozen")
    op.execute(
        """
        UPDATE decisions SET number = numbered.number FROM (
            SELECT workspace_id, livemode, id,
                   row_number() OVER (PARTITION BY workspace_id, livemode ORDER BY created_at, id) AS number
            FROM decisions
        ) AS numbered
        WHERE (decisions.workspace_id, decisions.livemode, decisions.id)
            = (numbered.workspace_id, numbered.livemode, numbered.id)
        """
    )
    op.execute("ALTER TABLE decisions ENABLE TRIGGER frozen")
    for name in filled:
        op.alter_column("decisions", name, server_default=None)
    op.create_unique_constraint(op.f("uq_decisions_workspace_id_livemode_number"), "decisions", [*_TENANT, "number"])
    op.create_index("ix_decisions_aliases", "decisions", ["aliases"], postgresql_using="gin")
    op.create_index(
        "ix_decisions_review_at", "decisions", ["review_at"], postgresql_where=sa.text("review_at IS NOT NULL")
    )


def _freeze_for_the_role() -> None:
    """The application's role can change and delete drafts only, whatever becomes of the trigger."""
    op.execute(
        f"CREATE POLICY frozen_update ON decisions AS RESTRICTIVE FOR UPDATE TO {APP_ROLE} "
        "USING (status = 'draft') WITH CHECK (true)"
    )
    op.execute(
        f"CREATE POLICY frozen_delete ON decisions AS RESTRICTIVE FOR DELETE TO {APP_ROLE} USING (status = 'draft')"
    )
    op.execute("CREATE POLICY worker ON decisions TO roadbed_worker USING (true)")
    op.execute("GRANT SELECT ON decisions TO roadbed_worker")


def _start_the_heads() -> None:
    op.execute(
        """
        INSERT INTO decision_heads (workspace_id, livemode, last_number)
        SELECT workspace_id, livemode, max(number) FROM decisions GROUP BY workspace_id, livemode
        """
    )


def _tenant() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
    )


def _of_decision(table: str, column: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [*_TENANT, column],
        ["decisions.workspace_id", "decisions.livemode", "decisions.id"],
        name=op.f(f"fk_{table}_workspace_id_livemode_{column}_decisions"),
        ondelete=ondelete,
    )
