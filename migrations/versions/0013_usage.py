"""Usage by day and by month."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import APP_ROLE, protect

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "usage_days",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("latency", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace_id", "livemode", "day", "key_id", "operation", "status", name=op.f("pk_usage_days")
        ),
    )
    op.create_table(
        "usage_months",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "month", name=op.f("pk_usage_months")),
    )
    op.execute(
        """
        CREATE FUNCTION roadbed_metering() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
        RETURN coalesce(current_setting('roadbed.metering', true), '') = 'on'
        """
    )
    for table in ("usage_days", "usage_months"):
        protect(table, app="SELECT, INSERT, UPDATE")
        # The meter writes the counts of every workspace at once; it alone says that it is metering.
        op.execute(f"CREATE POLICY metering ON {table} TO {APP_ROLE} USING (roadbed_metering())")


def downgrade() -> None:
    op.drop_table("usage_months")
    op.drop_table("usage_days")
    op.execute("DROP FUNCTION roadbed_metering()")
