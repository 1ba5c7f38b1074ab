"""Scoring models, richer scores, rankings in pages, and what people decide beside the arithmetic."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import protect

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    _scores()
    _rankings()
    _roadmap()


def downgrade() -> None:
    for table in ("roadmap_scenarios", "roadmap_views", "roadmap_items", "roadmap_overrides", "roadmap_policies"):
        op.drop_table(table)
    for column in ("series", "churn", "drifted", "overridden", "scenario_id"):
        op.drop_column("roadmap_revisions", column)
    op.add_column("rankings", sa.Column("feature_ids", postgresql.ARRAY(sa.Uuid()), nullable=True))
    op.add_column("rankings", sa.Column("values", postgresql.ARRAY(sa.Numeric()), nullable=True))
    op.add_column("rankings", sa.Column("titles", postgresql.ARRAY(sa.Text()), nullable=True))
    op.execute(
        """
        UPDATE rankings SET
          feature_ids = ARRAY(
            SELECT encode(substr(feature_ids, 1 + 16 * n, 16), 'hex')::uuid
            FROM ranking_pages, generate_series(0, length(feature_ids) / 16 - 1) AS n
            WHERE ranking_id = rankings.id ORDER BY number, n),
          "values" = ARRAY(
            SELECT value::numeric FROM ranking_pages, string_to_table("values", ',') WITH ORDINALITY AS t(value, n)
            WHERE ranking_id = rankings.id ORDER BY number, n),
          titles = ARRAY(
            SELECT title FROM ranking_pages, unnest(titles) WITH ORDINALITY AS t(title, n)
            WHERE ranking_id = rankings.id ORDER BY number, n)
        """
    )
    for column in ("feature_ids", "values", "titles"):
        op.alter_column("rankings", column, nullable=False)
    op.drop_column("rankings", "total")
    op.drop_table("ranking_pages")
    op.drop_table("scoring_models")
    op.drop_column("latest_scores", "worth")
    op.drop_column("latest_scores", "effort_months")
    for column in ("variant", "model_version", "scale", "outcome", "author_kind", "evidence", "note"):
        op.drop_column("scores", column)


def _scores() -> None:
    op.add_column("scores", sa.Column("variant", sa.Text(), nullable=True))
    op.add_column("scores", sa.Column("model_version", sa.Integer(), nullable=True))
    op.add_column("scores", sa.Column("scale", sa.Text(), nullable=True))
    op.add_column(
        "scores", sa.Column("outcome", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False)
    )
    op.add_column("scores", sa.Column("author_kind", sa.Text(), server_default="key", nullable=False))
    op.add_column(
        "scores", sa.Column("evidence", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False)
    )
    op.add_column("scores", sa.Column("note", sa.Text(), nullable=True))
    op.add_column("latest_scores", sa.Column("worth", sa.Numeric(), nullable=True))
    op.add_column("latest_scores", sa.Column("effort_months", sa.Numeric(), nullable=True))
    op.execute(
        """
        UPDATE latest_scores SET effort_months = (scores.inputs ->> 'effort')::numeric,
               worth = scores.value * (scores.inputs ->> 'effort')::numeric
        FROM scores WHERE scores.workspace_id = latest_scores.workspace_id
             AND scores.livemode = latest_scores.livemode AND scores.id = latest_scores.score_id
        """
    )
    op.alter_column("latest_scores", "worth", nullable=False)
    op.create_table(
        "scoring_models",
        *_tenant(),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("definition", postgresql.JSONB(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        _time("created_at"),
        sa.CheckConstraint("kind IN ('base', 'formula', 'weighted')", name=op.f("ck_scoring_models_kind")),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_scoring_models")),
        sa.UniqueConstraint(
            "workspace_id",
            "livemode",
            "key",
            "version",
            name=op.f("uq_scoring_models_workspace_id_livemode_key_version"),
        ),
    )
    protect("scoring_models", app="SELECT, INSERT")


def _rankings() -> None:
    op.create_table(
        "ranking_pages",
        *_tenant(),
        sa.Column("ranking_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("feature_ids", sa.LargeBinary(), nullable=False),
        sa.Column("values", sa.Text(), nullable=False),
        sa.Column("titles", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("computed_ranks", postgresql.ARRAY(sa.Integer()), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "livemode", "ranking_id"],
            ["rankings.workspace_id", "rankings.livemode", "rankings.id"],
            name=op.f("fk_ranking_pages_workspace_id_livemode_ranking_id_rankings"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "ranking_id", "number", name=op.f("pk_ranking_pages")),
    )
    # Ids do not compress: trying to would be time lost.
    op.execute("ALTER TABLE ranking_pages ALTER COLUMN feature_ids SET STORAGE EXTERNAL")
    op.execute(
        """
        INSERT INTO ranking_pages (workspace_id, livemode, ranking_id, number, feature_ids, "values", titles)
        SELECT workspace_id, livemode, id, first / 1000,
               (SELECT string_agg(uuid_send(feature_id), ''::bytea ORDER BY n)
                FROM unnest(feature_ids[first + 1:first + 1000]) WITH ORDINALITY AS t(feature_id, n)),
               array_to_string("values"[first + 1:first + 1000], ','), titles[first + 1:first + 1000]
        FROM rankings, generate_series(0, cardinality(feature_ids) - 1, 1000) AS first
        """
    )
    op.add_column("rankings", sa.Column("total", sa.Integer(), nullable=True))
    op.execute("UPDATE rankings SET total = cardinality(feature_ids)")
    op.alter_column("rankings", "total", nullable=False)
    for column in ("feature_ids", "values", "titles"):
        op.drop_column("rankings", column)
    op.add_column("roadmap_revisions", sa.Column("series", sa.Text(), nullable=True))
    op.execute("UPDATE roadmap_revisions SET series = framework")
    op.alter_column("roadmap_revisions", "series", nullable=False)
    op.add_column("roadmap_revisions", sa.Column("churn", sa.Numeric(), nullable=True))
    op.add_column(
        "roadmap_revisions", sa.Column("drifted", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column(
        "roadmap_revisions",
        sa.Column("overridden", postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("roadmap_revisions", sa.Column("scenario_id", sa.Uuid(), nullable=True))
    protect("ranking_pages", app="SELECT, INSERT")


def _roadmap() -> None:
    op.create_table(
        "roadmap_policies",
        *_tenant(),
        sa.Column("targets", postgresql.JSONB(), nullable=False),
        sa.Column("tolerance", sa.Numeric(), nullable=False),
        sa.Column("capacity_months", sa.Numeric(), nullable=True),
        sa.Column("churn_limit", sa.Numeric(), nullable=True),
        sa.Column("freeze_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("freeze_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("freeze_note", sa.Text(), nullable=True),
        *_stamps(),
        sa.CheckConstraint("freeze_from < freeze_until", name=op.f("ck_roadmap_policies_freeze")),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", name=op.f("pk_roadmap_policies")),
    )
    op.create_table(
        "roadmap_overrides",
        *_tenant(),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("feature_id", sa.Uuid(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        _time("created_at"),
        _of_feature("roadmap_overrides", "feature_id"),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_roadmap_overrides")),
        sa.UniqueConstraint(
            "workspace_id", "livemode", "feature_id", name=op.f("uq_roadmap_overrides_workspace_id_livemode_feature_id")
        ),
    )
    op.create_table(
        "roadmap_items",
        *_tenant(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("horizon", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        *_stamps(),
        _of_feature("roadmap_items", "id"),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_roadmap_items")),
    )
    op.create_index("ix_roadmap_items_horizon", "roadmap_items", ["workspace_id", "livemode", "horizon", "id"])
    op.create_table(
        "roadmap_views",
        *_tenant(),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("revision_id", sa.Uuid(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_roadmap_views")),
    )
    op.create_table(
        "roadmap_scenarios",
        *_tenant(),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("framework", sa.Text(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.JSONB(), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("revision_id", sa.Uuid(), nullable=True),
        *_stamps(),
        sa.CheckConstraint("status IN ('open', 'promoted')", name=op.f("ck_roadmap_scenarios_status")),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_roadmap_scenarios")),
    )
    protect("roadmap_policies", app="SELECT, INSERT, UPDATE")
    protect("roadmap_overrides")
    protect("roadmap_items")
    protect("roadmap_views", app="SELECT, INSERT")
    protect("roadmap_scenarios")


def _tenant() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
    )


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _stamps() -> tuple[sa.Column[object], ...]:
    version: sa.Column[object] = sa.Column("version", sa.Integer(), server_default="1", nullable=False)
    return version, _time("created_at"), _time("updated_at")


def _of_feature(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", "livemode", column],
        ["features.workspace_id", "features.livemode", "features.id"],
        name=op.f(f"fk_{table}_workspace_id_livemode_{column}_features"),
        ondelete="CASCADE",
    )
