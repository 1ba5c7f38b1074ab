"""The audit log and its triggers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import UserDefinedType

from migrations.auditing import audit, no_longer_audit
from migrations.tenancy import WORKER_ROLE, protect

revision = "0017"
down_revision = "0016"

AUDITED = {
    # Table: the prefix of its ids, the columns that are secret, derived or large, the column with the id.
    "keys": ("key", ("digest", "last_used_at"), "id"),
    "endpoints": ("ep", ("sealed_headers",), "id"),
    "endpoint_secrets": ("whs", ("sealed",), "id"),
    "features": ("feat", ("search",), "id"),
    "scores": ("score", (), "id"),
    "scoring_models": ("model", (), "id"),
    "roadmap_revisions": ("rev", ("reply",), "id"),
    "roadmap_overrides": ("ovr", (), "id"),
    "roadmap_scenarios": ("scen", (), "id"),
    "roadmap_views": ("view", ("reply",), "id"),
    "decisions": ("dec", ("search",), "id"),
    "decision_observations": ("obs", (), "id"),
    "prds": ("prd", ("search", "source"), "id"),
    "prd_reviews": ("rvw", (), "id"),
    "prd_observations": ("obs", (), "id"),
    "imports": ("imp", ("skipped", "discrepancies", "notes"), "id"),
}


class Xid8(UserDefinedType[int]):
    """Postgres's 64-bit transaction id."""

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=True),
        sa.Column("xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("hash", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_sequence", "audit_log", ["workspace_id", "livemode", "sequence"], unique=True)
    op.create_index("ix_audit_log_unsealed", "audit_log", ["xid", "id"], postgresql_where=sa.text("hash IS NULL"))
    op.create_index("ix_audit_log_resource", "audit_log", ["workspace_id", "livemode", "resource_id", "id"])
    protect("audit_log", app="SELECT, INSERT", worker="SELECT, INSERT")
    op.execute(f"GRANT UPDATE (sequence, hash) ON audit_log TO {WORKER_ROLE}")
    _make_functions()
    for table, (prefix, without, row_id) in AUDITED.items():
        audit(table, prefix, without=without, row_id=row_id)


def downgrade() -> None:
    for table in AUDITED:
        no_longer_audit(table)
    for action in ("insert", "update", "delete"):
        op.execute(f"DROP FUNCTION roadbed_audit_{action}()")
    op.drop_table("audit_log")


def _make_functions() -> None:
    """Each takes the wire prefix, the columns to leave out, and the column with the id."""
    who = (
        "nullif(current_setting('roadbed.key_id', true), '')::uuid, "
        "nullif(current_setting('roadbed.request_id', true), '')"
    )
    head = (
        "INSERT INTO audit_log "
        "(workspace_id, livemode, key_id, request_id, resource, resource_id, action, before, after)"
    )
    row_id = "roadbed_id(TG_ARGV[0], (to_jsonb({row}) ->> TG_ARGV[2])::uuid)"
    bare = "to_jsonb({row}) - TG_ARGV[1]::text[]"
    selects = {
        "insert": (
            f"SELECT workspace_id, livemode, {who}, TG_TABLE_NAME, {row_id.format(row='new_rows')}, 'insert', "
            f"NULL, {bare.format(row='new_rows')} FROM new_rows"
        ),
        "delete": (
            f"SELECT workspace_id, livemode, {who}, TG_TABLE_NAME, {row_id.format(row='old_rows')}, 'delete', "
            f"{bare.format(row='old_rows')}, NULL FROM old_rows"
        ),
        "update": (
            f"SELECT new_rows.workspace_id, new_rows.livemode, {who}, TG_TABLE_NAME, {row_id.format(row='new_rows')}, "
            "'update', difference.before, difference.after "
            "FROM new_rows JOIN old_rows ON old_rows.workspace_id = new_rows.workspace_id "
            "AND old_rows.livemode = new_rows.livemode "
            "AND to_jsonb(old_rows) -> TG_ARGV[2] = to_jsonb(new_rows) -> TG_ARGV[2] "
            "CROSS JOIN LATERAL (SELECT jsonb_object_agg(was.key, was.value) AS before, "
            "jsonb_object_agg(was.key, is_now.value) AS after "
            f"FROM jsonb_each({bare.format(row='old_rows')}) AS was "
            f"JOIN jsonb_each({bare.format(row='new_rows')}) AS is_now USING (key) "
            "WHERE was.value IS DISTINCT FROM is_now.value) AS difference "
            "WHERE difference.before IS NOT NULL"
        ),
    }
    for action, select in selects.items():
        op.execute(
            f"""
            CREATE FUNCTION roadbed_audit_{action}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                {head} {select};
                RETURN NULL;
            END $$
            """
        )
