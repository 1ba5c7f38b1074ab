"""Heartbeats of the service, a row a minute: whether it was up. They are nobody's, and anyone may see them."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import APP_ROLE, WORKER_ROLE

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.create_table(
        "service_minutes",
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beats", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("minute", name=op.f("pk_service_minutes")),
    )
    op.execute("ALTER TABLE service_minutes ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE service_minutes FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY everyone ON service_minutes FOR SELECT TO {APP_ROLE} USING (true)")
    op.execute(f"CREATE POLICY metering ON service_minutes TO {APP_ROLE} USING (roadbed_metering())")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON service_minutes TO {APP_ROLE}")
    op.execute(f"CREATE POLICY worker ON service_minutes TO {WORKER_ROLE} USING (true)")
    op.execute(f"GRANT SELECT, DELETE ON service_minutes TO {WORKER_ROLE}")


def downgrade() -> None:
    op.drop_table("service_minutes")
