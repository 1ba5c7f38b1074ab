"""Endpoints, their secrets and health, events, deliveries and attempts."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import UserDefinedType

from migrations.tenancy import WORKER_ROLE, protect

revision = "0002"
down_revision = "0001"


class Xid8(UserDefinedType[int]):
    """Postgres's 64-bit transaction id."""

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


def upgrade() -> None:
    op.create_table(
        "endpoints",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("event_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("condition", postgresql.JSONB(), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("ordering", sa.Text(), server_default="none", nullable=False),
        sa.Column("payload", sa.Text(), server_default="full", nullable=False),
        sa.Column("schedule", postgresql.ARRAY(sa.Integer()), nullable=True),
        sa.Column("rate_per_s", sa.Integer(), nullable=True),
        sa.Column("max_in_flight", sa.Integer(), server_default="16", nullable=False),
        sa.Column("header_names", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("sealed_headers", sa.LargeBinary(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("ordering IN ('none', 'endpoint', 'entity')", name=op.f("ck_endpoints_ordering")),
        sa.CheckConstraint("payload IN ('full', 'thin')", name=op.f("ck_endpoints_payload")),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_endpoints")),
    )
    op.create_table(
        "endpoint_secrets",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="hmac", nullable=False),
        sa.Column("public_key", sa.Text(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('hmac', 'ed25519')", name=op.f("ck_endpoint_secrets_kind")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "livemode", "endpoint_id"],
            ["endpoints.workspace_id", "endpoints.livemode", "endpoints.id"],
            name=op.f("fk_endpoint_secrets_workspace_id_livemode_endpoint_id_endpoints"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_endpoint_secrets")),
    )
    op.create_index(
        "ix_endpoint_secrets_endpoint", "endpoint_secrets", ["workspace_id", "livemode", "endpoint_id"], unique=False
    )
    op.create_table(
        "endpoint_health",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("breaker", sa.Text(), server_default="closed", nullable=False),
        sa.Column("failures_in_row", sa.Integer(), server_default="0", nullable=False),
        sa.Column("recent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("recent_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("openings", sa.Integer(), server_default="0", nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("breaker IN ('closed', 'open')", name=op.f("ck_endpoint_health_breaker")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "livemode", "endpoint_id"],
            ["endpoints.workspace_id", "endpoints.livemode", "endpoints.id"],
            name=op.f("fk_endpoint_health_workspace_id_livemode_endpoint_id_endpoints"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "endpoint_id", name=op.f("pk_endpoint_health")),
    )
    op.create_table(
        "events",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("trace_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_events")),
    )
    op.create_table(
        "deliveries",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claim", sa.Uuid(), nullable=True),
        sa.Column("order_key", sa.Text(), nullable=True),
        sa.Column("xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("attempt_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_status_code", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('pending', 'held', 'delivered', 'dead')", name=op.f("ck_deliveries_status")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "livemode", "endpoint_id"],
            ["endpoints.workspace_id", "endpoints.livemode", "endpoints.id"],
            name=op.f("fk_deliveries_workspace_id_livemode_endpoint_id_endpoints"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_deliveries")),
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending' AND order_key IS NULL"),
    )
    op.create_index(
        "ix_deliveries_endpoint", "deliveries", ["workspace_id", "livemode", "endpoint_id", "id"], unique=False
    )
    op.create_index("ix_deliveries_event", "deliveries", ["workspace_id", "livemode", "event_id"], unique=False)
    op.create_index(
        "ix_deliveries_lane",
        "deliveries",
        ["workspace_id", "livemode", "endpoint_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending' AND order_key IS NULL"),
    )
    op.create_index(
        "ix_deliveries_ordered",
        "deliveries",
        ["workspace_id", "livemode", "endpoint_id", "xid", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'pending' AND order_key IS NOT NULL"),
    )
    op.create_table(
        "attempts",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("latency_ms", sa.Double(), nullable=True),
        sa.Column("response_headers", postgresql.JSONB(), nullable=True),
        sa.Column("response_body", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_attempts")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index("ix_attempts_delivery", "attempts", ["workspace_id", "livemode", "delivery_id", "id"], unique=False)
    protect("endpoints", worker="SELECT, UPDATE")
    protect("endpoint_secrets", worker="SELECT")
    protect("endpoint_health", app="SELECT, INSERT, UPDATE, DELETE", worker="SELECT, INSERT, UPDATE, DELETE")
    protect("events", app="SELECT, INSERT", worker="SELECT, INSERT, DELETE")
    protect("deliveries", app="SELECT, INSERT, UPDATE", worker="SELECT, INSERT, UPDATE, DELETE")
    protect("attempts", app="SELECT", worker="SELECT, INSERT, UPDATE, DELETE")
    # A claim writes into the row's own page, and so does not touch the indexes.
    op.execute("ALTER TABLE deliveries SET (fillfactor = 75)")
    _make_condition()
    _make_partitions()


def downgrade() -> None:
    op.execute("DROP FUNCTION roadbed_rotate_attempts(integer, integer)")
    op.execute("DROP FUNCTION roadbed_first_id(date)")
    for table in ("attempts", "deliveries", "events", "endpoint_health", "endpoint_secrets", "endpoints"):
        op.drop_table(table)
    op.execute("DROP FUNCTION roadbed_matches(jsonb, text)")


def _make_condition() -> None:
    """An endpoint's condition: for each field of the data that it names, one of the values that it lists."""
    op.execute(
        """
        CREATE FUNCTION roadbed_matches(condition jsonb, data text) RETURNS boolean
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN NOT EXISTS (
            SELECT FROM jsonb_each(condition) AS wanted
            WHERE NOT EXISTS (
                SELECT FROM jsonb_path_query(data::jsonb -> wanted.key, '$[*]') AS found
                WHERE wanted.value @> found
            )
        )
        """
    )


def _make_partitions() -> None:
    """A partition of attempts a day. The worker makes those ahead and drops those past, through this function alone."""
    op.execute(
        """
        CREATE FUNCTION roadbed_rotate_attempts(keep_days integer, ahead_days integer) RETURNS integer
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
        DECLARE
            today CONSTANT date := (now() AT TIME ZONE 'UTC')::date;
            this_day date;
            name text;
            dropped integer := 0;
        BEGIN
            FOR this_day IN SELECT today + step FROM generate_series(-1, ahead_days) AS step LOOP
                name := 'attempts_' || to_char(this_day, 'YYYYMMDD');
                IF to_regclass('public.' || name) IS NULL THEN
                    EXECUTE format(
                        'CREATE TABLE public.%I PARTITION OF public.attempts FOR VALUES FROM (%L) TO (%L) '
                        'WITH (fillfactor = 70)',
                        name, roadbed_first_id(this_day), roadbed_first_id(this_day + 1)
                    );
                    EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
                    EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', name);
                END IF;
            END LOOP;
            FOR name IN
                SELECT child.relname FROM pg_inherits
                JOIN pg_class AS child ON child.oid = inhrelid
                WHERE inhparent = 'public.attempts'::regclass AND child.relname ~ '^attempts_[0-9]{8}$'
                  AND to_date(right(child.relname, 8), 'YYYYMMDD') < today - keep_days
            LOOP
                EXECUTE format('DROP TABLE public.%I', name);
                dropped := dropped + 1;
            END LOOP;
            RETURN dropped;
        END $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION roadbed_rotate_attempts(integer, integer) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION roadbed_rotate_attempts(integer, integer) TO {WORKER_ROLE}")
    op.execute(
        """
        CREATE FUNCTION roadbed_first_id(this_day date) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT
        RETURN rpad(lpad(to_hex(extract(epoch FROM this_day::timestamp)::bigint * 1000), 12, '0'), 32, '0')::uuid
        """
    )
    op.execute("SELECT roadbed_rotate_attempts(36500, 7)")
    # What no partition takes, because no worker has run for a week, is kept all the same.
    op.execute("CREATE TABLE attempts_default PARTITION OF attempts DEFAULT")
    op.execute("ALTER TABLE attempts_default ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE attempts_default FORCE ROW LEVEL SECURITY")
