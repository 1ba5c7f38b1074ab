"""PRDs with versions, reviews and observations; typed sections."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0012"
down_revision = "0011"

_KINDS = {"functional": "FR"}


def upgrade() -> None:
    op.add_column("prds", sa.Column("approvals_required", sa.Integer(), server_default="1", nullable=False))
    for name in ("feature_ids", "decision_ids"):
        op.add_column("prds", sa.Column(name, postgresql.ARRAY(sa.Uuid()), server_default="{}", nullable=False))
    op.add_column("prds", sa.Column("content_version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("prds", sa.Column("counters", postgresql.JSONB(), server_default="{}", nullable=False))
    op.add_column("prds", sa.Column("source", postgresql.JSONB(), nullable=True))
    _create(
        "prd_versions",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("sections", postgresql.JSONB(), nullable=False),
        sa.Column("changed", postgresql.ARRAY(sa.Text()), nullable=False),
    )
    columns = ["workspace_id", "livemode", "prd_id"]
    op.create_index("uq_prd_versions_number", "prd_versions", [*columns, "number"], unique=True)
    _create(
        "prd_reviews",
        sa.Column("content_version", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("comments", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("verdict IN ('approve', 'request_changes', 'comment')", name=op.f("ck_prd_reviews_verdict")),
    )
    op.create_index("ix_prd_reviews_prd", "prd_reviews", [*columns, "id"], unique=False)
    _create(
        "prd_observations",
        sa.Column("metric_id", sa.Text(), nullable=False),
        sa.Column("value", sa.Numeric(), nullable=False),
        sa.Column("progress_percent", sa.Numeric(), nullable=True),
        sa.Column("met", sa.Boolean(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_prd_observations_prd", "prd_observations", [*columns, "id"], unique=False)
    _make_typed()
    # What was said and approved never changes: there is no right to.
    for table in ("prd_versions", "prd_reviews", "prd_observations"):
        protect(table, app="SELECT, INSERT")


def downgrade() -> None:
    for table in ("prd_observations", "prd_reviews", "prd_versions"):
        op.drop_table(table)
    for name in ("source", "counters", "content_version", "decision_ids", "feature_ids", "approvals_required"):
        op.drop_column("prds", name)


def _create(table: str, *columns: sa.schema.SchemaItem) -> None:
    op.create_table(
        table,
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("prd_id", sa.Uuid(), nullable=False),
        *columns,
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "livemode", "prd_id"],
            ["prds.workspace_id", "prds.livemode", "prds.id"],
            name=op.f(f"fk_{table}_workspace_id_livemode_prd_id_prds"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f(f"pk_{table}")),
    )


def _make_typed() -> None:
    """The sections that were plain, in the shapes of today; and the first version of each PRD that there is."""
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT workspace_id, livemode, id, sections FROM prds")).fetchall()
    for workspace_id, livemode, prd_id, sections in rows:
        typed, counters = _typed(sections)
        connection.execute(
            sa.text(
                "UPDATE prds SET sections = CAST(:sections AS jsonb), counters = CAST(:counters AS jsonb),"
                " content_version = version"
                " WHERE workspace_id = :workspace_id AND livemode = :livemode AND id = :id"
            ),
            {
                "sections": json.dumps(typed, default=float),
                "counters": json.dumps(counters),
                "workspace_id": workspace_id,
                "livemode": livemode,
                "id": prd_id,
            },
        )
    connection.execute(
        sa.text(
            "INSERT INTO prd_versions (workspace_id, livemode, prd_id, number, title, status, sections, changed)"
            " SELECT workspace_id, livemode, id, version, title, status, sections, '{}' FROM prds"
        )
    )


def _typed(old: dict[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
    counters: dict[str, int] = {}

    def numbered(row: dict[str, Any], prefix: str) -> str:
        counters[prefix] = counters.get(prefix, 0) + 1
        return f"{prefix}-{counters[prefix]:03d}"

    problem, rationale = old.get("problem"), old.get("rationale")
    new = dict(old)
    new["problem"] = {"statement": problem, "current_flow": None, "evidence": []} if problem else None
    new["rationale"] = [{"choice": None, "because": rationale, "instead_of": None}] if rationale else []
    new |= {"architecture": None, "build_vs_buy": None}
    no_target = dict.fromkeys(("metric", "percentile", "op", "value", "unit", "phase", "superseded_by", "task_status"))
    no_target |= {"downtime_minutes": None, "error_budget_percent": None, "status": "active"}
    new["requirements"] = [
        no_target | row | {"id": numbered(row, _KINDS.get(row["kind"], "NFR"))} for row in old["requirements"]
    ]
    criterion = {"given": None, "when": None, "then": None, "verified_by": None, "status": "open"}
    story: dict[str, Any] = {"as_a": None, "i_can": None, "so_that": None, "priority": None, "notes": []}
    new["user_stories"] = [
        story | row | {"acceptance_criteria": [{"text": text, **criterion} for text in row["acceptance_criteria"]]}
        for row in old["user_stories"]
    ]
    new["stack"] = [{"role": None} | row for row in old["stack"]]
    risk = dict.fromkeys(("probability", "impact", "exposure", "owner", "trigger")) | {"status": "open"}
    new["risks"] = [risk | row for row in old["risks"]]
    metric = dict.fromkeys(("name", "baseline", "target", "op", "unit", "deadline", "source"))
    new["success_metrics"] = [metric | row | {"id": numbered(row, "SC")} for row in old["success_metrics"]]
    question = {"owner": None, "due": None, "blocking": False}
    new["open_questions"] = [question | row | {"id": numbered(row, "Q")} for row in old["open_questions"]]
    return new, counters
