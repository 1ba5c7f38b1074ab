"""Expunging an event forgets what receivers answered to it, too: many repeat what they got."""

from alembic import op

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    op.execute("GRANT UPDATE (response_headers, response_body) ON attempts TO roadbed_app")


def downgrade() -> None:
    op.execute("REVOKE UPDATE (response_headers, response_body) ON attempts FROM roadbed_app")
