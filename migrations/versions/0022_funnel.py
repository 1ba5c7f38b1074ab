"""The meter may see which workspaces there are and what plan each has: activation and conversion are counted."""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.execute("CREATE POLICY metering ON workspaces FOR SELECT TO roadbed_app USING (roadbed_metering())")


def downgrade() -> None:
    op.execute("DROP POLICY metering ON workspaces")
