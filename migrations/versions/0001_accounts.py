"""Workspaces, keys, idempotency keys, the roles and the functions of the wire."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import APP_ROLE, WORKER_ROLE, protect

revision = "0001"
down_revision = None


def upgrade() -> None:
    _make_roles()
    _make_functions()
    op.create_table(
        "workspaces",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), server_default="free", nullable=False),
        sa.Column("quota_policy", sa.Text(), server_default="block", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workspaces")),
    )
    op.create_table(
        "keys",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_keys_workspace_id_workspaces"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_keys_digest")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False)
    protect("keys", app="SELECT, INSERT, UPDATE")
    protect("idempotency_keys", app="SELECT, INSERT", worker="SELECT, DELETE")
    _protect_workspaces()
    _let_keys_be_presented()


def downgrade() -> None:
    op.drop_table("idempotency_keys")
    op.drop_table("keys")
    op.drop_table("workspaces")
    for function in (
        "roadbed_id(text, uuid)",
        "roadbed_time(timestamptz)",
        "roadbed_workspace()",
        "roadbed_livemode()",
    ):
        op.execute(f"DROP FUNCTION {function}")


def _make_roles() -> None:
    """Roles belong to the whole server, so they may be there from another database, and are not dropped with ours."""
    for role in (APP_ROLE, WORKER_ROLE):
        op.execute(
            f"""
            DO $$ BEGIN
                CREATE ROLE {role} NOLOGIN NOINHERIT;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END $$
            """
        )
        op.execute(f"GRANT {role} TO CURRENT_USER")
        op.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        # Whether the migrations are up to date is asked by /ready.
        op.execute(f"GRANT SELECT ON alembic_version TO {role}")


def _make_functions() -> None:
    op.execute(
        """
        CREATE FUNCTION roadbed_workspace() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
        RETURN nullif(current_setting('roadbed.workspace_id', true), '')::uuid
        """
    )
    op.execute(
        """
        CREATE FUNCTION roadbed_livemode() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
        RETURN nullif(current_setting('roadbed.livemode', true), '')::boolean
        """
    )
    op.execute(
        """
        CREATE FUNCTION roadbed_time(moment timestamptz) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE
        RETURN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        """
    )
    op.execute(
        f"""
        CREATE FUNCTION roadbed_id(prefix text, id uuid) RETURNS text
        LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
        DECLARE
            alphabet CONSTANT text := '0123456789abcdefghjkmnpqrstvwxyz';
            high int8 := substr(uuid_send(id), 1, 8)::int8;
            low int8 := substr(uuid_send(id), 9, 8)::int8;
        BEGIN
            RETURN prefix || '_' || {_base32()};
        END $$
        """
    )


def _base32() -> str:
    """26 groups of five bits out of two halves of 64, written out: a loop in plpgsql takes three times as long."""
    groups = ["(high >> 61) & 7"]
    groups += [f"(high >> {shift}) & 31" for shift in range(56, 0, -5)]
    groups += ["((high & 1) << 4) | ((low >> 60) & 15)"]
    groups += [f"(low >> {shift}) & 31" for shift in range(55, -1, -5)]
    return " || ".join(f"substr(alphabet, ({group})::int + 1, 1)" for group in groups)


def _protect_workspaces() -> None:
    """A workspace sees itself, from either mode."""
    op.execute("ALTER TABLE workspaces ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE workspaces FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON workspaces TO {APP_ROLE} USING (id = roadbed_workspace())")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON workspaces TO {APP_ROLE}")


def _let_keys_be_presented() -> None:
    """Before anyone knows whose key it is, whoever presents it may read its one row."""
    op.execute(
        f"""
        CREATE POLICY presented ON keys FOR SELECT TO {APP_ROLE}
        USING (digest = decode(nullif(current_setting('roadbed.key_digest', true), ''), 'hex'))
        """
    )
