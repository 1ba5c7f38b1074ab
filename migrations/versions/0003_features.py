"""Features and their scores."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "features",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("labels", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("metadata", postgresql.JSONB(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("depends_on", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("bucket IN ('product', 'technical', 'innovation')", name=op.f("ck_features_bucket")),
        sa.CheckConstraint(
            "status IN ('idea', 'candidate', 'planned', 'in_progress', 'shipped', 'dropped')",
            name=op.f("ck_features_status"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_features")),
    )
    op.create_index("ix_features_created", "features", ["workspace_id", "livemode", "created_at", "id"], unique=False)
    op.create_index("ix_features_updated", "features", ["workspace_id", "livemode", "updated_at", "id"], unique=False)
    op.create_index(
        "uq_features_external",
        "features",
        ["workspace_id", "livemode", "source", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "scores",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("feature_id", sa.Uuid(), nullable=False),
        sa.Column("framework", sa.Text(), nullable=False),
        sa.Column("formula", sa.Text(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(), nullable=False),
        sa.Column("value", sa.Numeric(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "livemode", "feature_id"],
            ["features.workspace_id", "features.livemode", "features.id"],
            name=op.f("fk_scores_workspace_id_livemode_feature_id_features"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_scores")),
    )
    op.create_index("ix_scores_feature", "scores", ["workspace_id", "livemode", "feature_id", "id"], unique=False)
    op.create_table(
        "latest_scores",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("framework", sa.Text(), nullable=False),
        sa.Column("feature_id", sa.Uuid(), nullable=False),
        sa.Column("score_id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.Numeric(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "livemode", "feature_id"],
            ["features.workspace_id", "features.livemode", "features.id"],
            name=op.f("fk_scores_workspace_id_livemode_feature_id_features"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "framework", "feature_id", name=op.f("pk_latest_scores")),
    )
    protect("features")
    protect("scores", app="SELECT, INSERT")
    protect("latest_scores", app="SELECT, INSERT, UPDATE")


def downgrade() -> None:
    op.drop_table("latest_scores")
    op.drop_table("scores")
    op.drop_table("features")
