"""What an attempt's request had as headers, as far as that cannot be told from the rest."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    op.add_column("attempts", sa.Column("signed_after_s", sa.BigInteger(), nullable=True))
    op.add_column("attempts", sa.Column("own_headers", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("attempts", "own_headers")
    op.drop_column("attempts", "signed_after_s")
