"""A feature keeps its id as it is shown, and its triggers look at less.

Most of reading one feature was writing its id: the function that does it is a hundred operators, each of which Postgres
looks up and asks for its rights in every statement. What a feature depends on was a plan of its own, though most depend
on nothing.
"""

import importlib

import sqlalchemy as sa
from alembic import op

from migrations.auditing import audit, no_longer_audit

revision = "0035"
down_revision = "0034"

# Marks of titles and tenants, and figures, begin with what sorts before every letter.
LETTERS = "WHERE word COLLATE \"C\" >= 'a'"

before = importlib.import_module("migrations.versions.0034_statements_of_many_rows")


def upgrade() -> None:
    kept = sa.Computed("roadbed_id('feat'::text, id)", persisted=True)
    op.add_column("features", sa.Column("wire_id", sa.Text(), kept, nullable=False))
    no_longer_audit("features")
    audit("features", "feat", without=("search", "wire_id"))
    before._audit_inserts(f"coalesce(made.whole ->> 'wire_id', {before.MADE_ID})", before.MADE_AFTER, before.MADE)
    op.execute(
        """
        CREATE FUNCTION roadbed_ids(prefix text, ids uuid[]) RETURNS json LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN (SELECT json_agg(roadbed_id(prefix, id)) FROM unnest(ids) AS id)
        """
    )
    before._keep_words_by_their_index(LETTERS)


def downgrade() -> None:
    before._keep_words_by_their_index()
    op.execute("DROP FUNCTION roadbed_ids(text, uuid[])")
    before._audit_inserts(before.MADE_ID, before.MADE_AFTER, before.MADE)
    no_longer_audit("features")
    audit("features", "feat", without=("search",))
    op.drop_column("features", "wire_id")
