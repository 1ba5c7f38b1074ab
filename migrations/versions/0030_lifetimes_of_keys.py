"""A key remembers what it was made to last: a rotation cuts `expires_at`, and the next goes by the first lifetime."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.add_column("keys", sa.Column("lifetime_s", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE keys SET lifetime_s = extract(epoch FROM expires_at - created_at)::bigint WHERE expires_at IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_column("keys", "lifetime_s")
