"""Full-text search over features, PRDs and decisions.

A row's lexemes are a generated column under a GIN index. Row-level security keeps the planner from handing `@@` to an
index, since Postgres does not know it to be leakproof; so each table has one function that may: it belongs to a role
which sees ids and lexemes and nothing else, it asks for the tenant's own lexeme, and its answer is joined with the
table under the caller's policy.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from api.search.folding import ACCENTED, IDEOGRAPHS, PLAIN, PUNCTUATION
from migrations.tenancy import APP_ROLE, protect

revision = "0010"
down_revision = "0009"

SEARCH_ROLE = "roadbed_search"
DOCUMENTS = {
    "features": "roadbed_document(workspace_id, livemode, title, description)",
    "prds": "roadbed_document(workspace_id, livemode, title, roadbed_strings(sections))",
    "decisions": "roadbed_document(workspace_id, livemode, title, roadbed_decision_words(context, rationale, options))",
}


def upgrade() -> None:
    _make_role()
    _make_functions()
    op.create_table(
        "search_words",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "livemode", "id", name=op.f("pk_search_words")),
    )
    op.create_index("ix_search_words_word", "search_words", ["workspace_id", "livemode", "word"])
    protect("search_words", app="SELECT, INSERT")
    _make_word_keeper()
    # The functions are owned by the search role, and an owner must be allowed to make things in the schema.
    op.execute(f"GRANT CREATE ON SCHEMA public TO {SEARCH_ROLE}")
    for table, document in DOCUMENTS.items():
        op.add_column(
            table, sa.Column("search", postgresql.TSVECTOR(), sa.Computed(document, persisted=True), nullable=True)
        )
        op.create_index(f"ix_{table}_search", table, ["search"], postgresql_using="gin")
        _let_search(table)
        for event in ("INSERT", "UPDATE"):
            op.execute(
                f"CREATE TRIGGER keep_words_{event.lower()} AFTER {event} ON {table} REFERENCING NEW TABLE AS fresh "
                "FOR EACH STATEMENT EXECUTE FUNCTION roadbed_keep_words()"
            )
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {SEARCH_ROLE}")


def downgrade() -> None:
    for table in DOCUMENTS:
        op.execute(f"DROP FUNCTION roadbed_search_{table}(tsquery, tsquery, integer)")
        op.execute(f"DROP POLICY search ON {table}")
        op.execute(f"REVOKE ALL ON {table} FROM {SEARCH_ROLE}")
        for event in ("insert", "update"):
            op.execute(f"DROP TRIGGER keep_words_{event} ON {table}")
        op.drop_column(table, "search")
    op.drop_table("search_words")
    for function in (
        "roadbed_keep_words()",
        "roadbed_document(uuid, boolean, text, text)",
        "roadbed_decision_words(text, text, jsonb)",
        "roadbed_strings(jsonb)",
        "roadbed_tenant(uuid, boolean)",
        "roadbed_fold(text)",
    ):
        op.execute(f"DROP FUNCTION {function}")
    op.execute(f"REVOKE USAGE ON SCHEMA public FROM {SEARCH_ROLE}")


def _make_role() -> None:
    op.execute(
        f"""
        DO $$ BEGIN
            CREATE ROLE {SEARCH_ROLE} NOLOGIN NOINHERIT;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$
        """
    )
    op.execute(f"GRANT {SEARCH_ROLE} TO CURRENT_USER")
    op.execute(f"GRANT USAGE ON SCHEMA public TO {SEARCH_ROLE}")


def _make_functions() -> None:
    """Pure functions of a row. pg_c_utf8 lowers every alphabet, whatever locale the database was made with."""
    marks = (PUNCTUATION + ACCENTED).replace("'", "''")
    plain = " " * len(PUNCTUATION) + PLAIN
    ascii_marks = "".join(mark for mark in PUNCTUATION if mark.isascii()).replace("'", "''")
    blanks = " " * sum(mark.isascii() for mark in PUNCTUATION)
    # translate() walks its whole list for each character, so ASCII, which most text is, gets a short one.
    op.execute(
        f"""
        CREATE FUNCTION roadbed_fold(words text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN CASE WHEN octet_length(words) = length(words)
        THEN translate(lower(words COLLATE "pg_c_utf8"), '{ascii_marks}', '{blanks}')
        ELSE translate(
            lower((CASE WHEN words ~ '{IDEOGRAPHS}' THEN regexp_replace(words, '({IDEOGRAPHS})', ' \\1 ', 'g')
                   ELSE words END) COLLATE "pg_c_utf8"),
            '{marks}', '{plain}') END
        """
    )
    op.execute(
        """
        CREATE FUNCTION roadbed_tenant(workspace_id uuid, livemode boolean) RETURNS text
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN '@' || replace(workspace_id::text, '-', '') || left(livemode::text, 1)
        """
    )
    op.execute(
        """
        CREATE FUNCTION roadbed_strings(document jsonb) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN (
            SELECT string_agg(found #>> '{}', ' ')
            FROM jsonb_path_query(document, 'strict $.**') AS found WHERE jsonb_typeof(found) = 'string'
        )
        """
    )
    op.execute(
        """
        CREATE FUNCTION roadbed_decision_words(context text, rationale text, options jsonb) RETURNS text
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN coalesce(context, '') || ' ' || coalesce(rationale, '') || ' ' || coalesce(roadbed_strings(options), '')
        """
    )
    # A tsvector holds a megabyte: a hundred thousand characters never fill it, and no search needs more of a text.
    # Title words stand in it once more behind `=`, so that the title tier is an index search of its own.
    op.execute(
        """
        CREATE FUNCTION roadbed_document(workspace_id uuid, livemode boolean, title text, words text) RETURNS tsvector
        LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
        DECLARE
            named tsvector := to_tsvector('pg_catalog.simple', roadbed_fold(left(title, 1000)));
            marked text[] := ARRAY[roadbed_tenant(workspace_id, livemode)];
            word text;
        BEGIN
            FOREACH word IN ARRAY tsvector_to_array(named) LOOP
                marked := marked || ('=' || word);
            END LOOP;
            named := setweight(named, 'A') || array_to_tsvector(marked);
            IF words IS NULL OR words = '' THEN
                RETURN named;
            END IF;
            RETURN named || to_tsvector('pg_catalog.simple', roadbed_fold(left(words, 100000)));
        END $$
        """
    )


def _make_word_keeper() -> None:
    """New words of a statement's rows, in one pass. Two writers may both add a word, and neither waits."""
    op.execute(
        """
        CREATE FUNCTION roadbed_keep_words() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO search_words (workspace_id, livemode, word)
            SELECT workspace_id, livemode, word FROM (
                SELECT DISTINCT workspace_id, livemode, word
                FROM fresh, unnest(tsvector_to_array(search)) AS word
                WHERE length(word) BETWEEN 4 AND 30 AND word ~ '^[[:alpha:]]+$'
                LIMIT 20000
            ) AS given
            WHERE NOT EXISTS (
                SELECT FROM search_words AS known
                WHERE known.workspace_id = given.workspace_id AND known.livemode = given.livemode
                AND known.word = given.word
            );
            RETURN NULL;
        END $$
        """
    )


def _let_search(table: str) -> None:
    """The one function that searches this table, and what its owner may see."""
    op.execute(f"CREATE POLICY search ON {table} FOR SELECT TO {SEARCH_ROLE} USING (true)")
    op.execute(f"GRANT SELECT (id, search) ON {table} TO {SEARCH_ROLE}")
    op.execute(
        f"""
        CREATE FUNCTION roadbed_search_{table}(titled tsquery, whole tsquery, most integer)
        RETURNS TABLE (id uuid, relevance numeric)
        LANGUAGE plpgsql STABLE SECURITY DEFINER
        SET search_path = pg_catalog, public SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
        DECLARE
            tenant tsquery := quote_literal(
                public.roadbed_tenant(public.roadbed_workspace(), public.roadbed_livemode()));
        BEGIN
            IF tenant IS NULL THEN
                RETURN;
            END IF;
            RETURN QUERY
            WITH titles AS MATERIALIZED (
                SELECT one.id, one.search FROM public.{table} AS one WHERE one.search @@ (tenant && titled) LIMIT most
            ), others AS MATERIALIZED (
                SELECT one.id, one.search FROM public.{table} AS one WHERE one.search @@ (tenant && whole)
                LIMIT greatest(most - (SELECT count(*) FROM titles), 0)
            )
            SELECT titles.id, round((1 + ts_rank(titles.search, whole))::numeric, 6) FROM titles
            UNION ALL
            SELECT others.id, round(ts_rank(others.search, whole)::numeric, 6) FROM others
            WHERE others.id NOT IN (SELECT titles.id FROM titles);
        END $$
        """
    )
    signature = f"roadbed_search_{table}(tsquery, tsquery, integer)"
    op.execute(f"ALTER FUNCTION {signature} OWNER TO {SEARCH_ROLE}")
    op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {APP_ROLE}")
