"""Rankings and the revisions that own them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "rankings",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("feature_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("values", postgresql.ARRAY(sa.Numeric()), nullable=False),
        sa.Column("titles", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_rankings")),
    )
    op.create_table(
        "roadmap_revisions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("ranking_id", sa.Uuid(), nullable=False),
        sa.Column("framework", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "livemode", "ranking_id"],
            ["rankings.workspace_id", "rankings.livemode", "rankings.id"],
            name=op.f("fk_roadmap_revisions_workspace_id_livemode_ranking_id_rankings"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_roadmap_revisions")),
    )
    op.create_index(
        "ix_roadmap_revisions_created",
        "roadmap_revisions",
        ["workspace_id", "livemode", "created_at", "id"],
        unique=False,
    )
    protect("rankings", app="SELECT, INSERT")
    protect("roadmap_revisions", app="SELECT, INSERT")


def downgrade() -> None:
    op.drop_table("roadmap_revisions")
    op.drop_table("rankings")
