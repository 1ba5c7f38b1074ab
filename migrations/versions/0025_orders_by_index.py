"""Features by score, and who depends on a feature, out of an index."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    # A float beside the exact value: row-level security hands an index no comparison of numerics, which may leak.
    op.add_column(
        "latest_scores",
        sa.Column("place", sa.Double(), sa.Computed("value::double precision", persisted=True), nullable=False),
    )
    op.create_index(
        "ix_latest_scores_place",
        "latest_scores",
        ["workspace_id", "livemode", "framework", "place", "value", "feature_id"],
    )
    op.create_index(
        "ix_features_dependent",
        "features",
        ["workspace_id", "livemode", "id"],
        postgresql_where=sa.text("depends_on <> '{}'::uuid[]"),
    )


def downgrade() -> None:
    op.drop_index("ix_features_dependent", "features")
    op.drop_index("ix_latest_scores_place", "latest_scores")
    op.drop_column("latest_scores", "place")
