"""Search in tiers, and a sixteenth of the workspace first: a common word no longer costs all the rows that have it.

Folding takes a tenth of the time that it took: `translate` walks its list for each character, a regular expression goes
over the text once.
"""

import importlib

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from api.search.folding import ACCENTED, IDEOGRAPHS, PLAIN, PUNCTUATION
from migrations.tenancy import APP_ROLE

revision = "0020"
down_revision = "0019"

SEARCH_ROLE = "roadbed_search"
PENDING_KB = 512
DOCUMENTS = {
    "features": "roadbed_document(workspace_id, livemode, id, title, description)",
    "prds": "roadbed_document(workspace_id, livemode, id, title, roadbed_strings(sections))",
    "decisions": (
        "roadbed_document(workspace_id, livemode, id, title, roadbed_decision_words(context, rationale, options))"
    ),
}
WORDS = "length({0}) BETWEEN 3 AND 30 AND {0} ~ '^[[:alpha:]][[:alnum:]]*$' COLLATE \"pg_c_utf8\""


def upgrade() -> None:
    _make_functions()
    op.execute(f"GRANT CREATE ON SCHEMA public TO {SEARCH_ROLE}")
    for table, document in DOCUMENTS.items():
        op.execute(f"DROP FUNCTION roadbed_search_{table}(tsquery, tsquery, integer)")
        op.execute(f"ALTER TABLE {table} ALTER COLUMN search SET EXPRESSION AS ({document})")
        # At 4 MB, the default, one writer in a few thousand pays for all of them and waits for most of a second.
        op.execute(f"ALTER INDEX ix_{table}_search SET (gin_pending_list_limit = {PENDING_KB})")
        _let_search(table)
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {SEARCH_ROLE}")
    op.execute("DROP FUNCTION roadbed_document(uuid, boolean, text, text)")
    _make_vocabulary()


def downgrade() -> None:
    """As it was: the columns are made again, since functions of the same name stand behind them."""
    before = importlib.import_module("migrations.versions.0010_search")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {SEARCH_ROLE}")
    for table in DOCUMENTS:
        op.execute(f"DROP FUNCTION roadbed_search_{table}(tsquery, tsquery, tsquery, tsquery, text, integer, integer)")
        op.execute(f"DROP POLICY search ON {table}")
        op.execute(f"REVOKE ALL ON {table} FROM {SEARCH_ROLE}")
        op.drop_column(table, "search")
    for function in (
        "roadbed_document(uuid, boolean, uuid, text, text)",
        "roadbed_decision_words(text, text, jsonb)",
        "roadbed_strings(jsonb)",
        "roadbed_tenant(uuid, boolean)",
        "roadbed_fold(text)",
    ):
        op.execute(f"DROP FUNCTION {function}")
    before._make_functions()
    for table, document in before.DOCUMENTS.items():
        computed = sa.Computed(document, persisted=True)
        op.add_column(table, sa.Column("search", postgresql.TSVECTOR(), computed, nullable=True))
        op.create_index(f"ix_{table}_search", table, ["search"], postgresql_using="gin")
        before._let_search(table)
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {SEARCH_ROLE}")
    op.drop_index("ix_search_words_ending", "search_words")
    op.drop_column("search_words", "ending")
    op.execute('ALTER TABLE search_words ALTER COLUMN word TYPE text COLLATE "default"')
    _make_word_keeper("length(given.word) BETWEEN 4 AND 30 AND given.word ~ '^[[:alpha:]]+$'")


def _make_functions() -> None:
    """Pure functions of a row, as in 0010."""
    ascii_marks = r"[^a-z0-9\s]+"
    marks = "".join("\\" + mark if mark.isascii() else mark for mark in PUNCTUATION).replace("'", "''")
    # Accents have a list of their own, walked only where there are some.
    op.execute(
        f"""
        CREATE OR REPLACE FUNCTION roadbed_fold(words text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
        AS $$
        DECLARE
            folded text := lower(words COLLATE "pg_c_utf8");
        BEGIN
            IF octet_length(words) = length(words) THEN
                RETURN regexp_replace(folded, '{ascii_marks}', ' ', 'g');
            END IF;
            folded := regexp_replace(folded, '[{marks}]+', ' ', 'g');
            IF folded ~ '{IDEOGRAPHS}' THEN
                folded := regexp_replace(folded, '({IDEOGRAPHS})', ' \\1 ', 'g');
            END IF;
            RETURN CASE WHEN folded ~ '[{ACCENTED}]' THEN translate(folded, '{ACCENTED}', '{PLAIN}') ELSE folded END;
        END $$
        """
    )
    # Behind `/` the sixteenth that the row is in, by its id; behind `==` all words of the title; behind `=` each. A
    # tsvector holds a megabyte: a hundred thousand characters never fill it, and no search needs more of a text.
    op.execute(
        """
        CREATE FUNCTION roadbed_document(workspace_id uuid, livemode boolean, id uuid, title text, words text)
        RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
        DECLARE
            named tsvector := to_tsvector('pg_catalog.simple', roadbed_fold(left(title, 1000)));
            lexemes text[] := tsvector_to_array(named);
            tenant text := roadbed_tenant(workspace_id, livemode);
            marked text[] := ARRAY[tenant, tenant || '/' || right(id::text, 1)];
        BEGIN
            IF lexemes <> '{}' THEN
                marked := marked || ('==' || left(array_to_string(lexemes, ' '), 400))
                    || string_to_array('=' || array_to_string(lexemes, ' ='), ' ');
            END IF;
            named := setweight(named, 'A') || array_to_tsvector(marked);
            IF words IS NULL OR words = '' THEN
                RETURN named;
            END IF;
            RETURN named || to_tsvector('pg_catalog.simple', roadbed_fold(left(words, 100000)));
        END $$
        """
    )


def _let_search(table: str) -> None:
    """The one function that searches this table (0010 tells what its owner may see).

    Tier by tier, in the share and then in the whole workspace, until there is enough to rank. A word that is in half of
    a million rows costs a sixteenth of them, since the share has enough; a rare one costs its own rows, as the index
    skips along the rarest. `examined` bounds the rows that are read to see whether words stand together.

    Postgres is told of 50 rows, so that it looks each of them up: for a thousand it would rather read the whole table.
    """
    op.execute(
        f"""
        CREATE FUNCTION roadbed_search_{table}(
            exact tsquery, titled tsquery, loose tsquery, whole tsquery, share text, most integer, examined integer
        ) RETURNS TABLE (id uuid, relevance numeric)
        LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50
        SET search_path = pg_catalog, public SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
        DECLARE
            tenant text := public.roadbed_tenant(public.roadbed_workspace(), public.roadbed_livemode());
            tiers tsquery[] := ARRAY[exact, titled, loose];
            place tsquery;
            ids uuid[] := '{{}}';
            ranks numeric[] := '{{}}';
            more uuid[];
            their_ranks numeric[];
        BEGIN
            IF tenant IS NULL THEN
                RETURN;
            END IF;
            FOR tier IN 1..3 LOOP
                CONTINUE WHEN tiers[tier] IS NULL;
                FOREACH place IN ARRAY ARRAY[quote_literal(tenant || '/' || share), quote_literal(tenant)]::tsquery[]
                LOOP
                    EXIT WHEN cardinality(ids) >= most;
                    SELECT array_agg(found.id), array_agg(round((3 - tier + found.rank)::numeric, 6))
                    INTO more, their_ranks
                    FROM (
                        SELECT near.id, ts_rank(near.search, whole) AS rank FROM (
                            SELECT one.id, one.search FROM public.{table} AS one
                            WHERE one.search @@ (place && tiers[tier]) AND one.id <> ALL (ids) LIMIT examined
                        ) AS near
                        WHERE near.search @@ whole LIMIT most - cardinality(ids)
                    ) AS found;
                    ids := ids || more;
                    ranks := ranks || their_ranks;
                END LOOP;
            END LOOP;
            RETURN QUERY SELECT * FROM unnest(ids, ranks);
        END $$
        """
    )
    signature = f"roadbed_search_{table}(tsquery, tsquery, tsquery, tsquery, text, integer, integer)"
    op.execute(f"ALTER FUNCTION {signature} OWNER TO {SEARCH_ROLE}")
    op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {APP_ROLE}")


def _make_vocabulary() -> None:
    """Words of three letters too, and in every alphabet, whatever locale the database was made with."""
    op.execute('ALTER TABLE search_words ALTER COLUMN word TYPE text COLLATE "C"')
    op.add_column(
        "search_words",
        sa.Column("ending", sa.Text(collation="C"), sa.Computed("reverse(word)", persisted=True), nullable=False),
    )
    op.create_index("ix_search_words_ending", "search_words", ["workspace_id", "livemode", "ending"])
    _make_word_keeper(WORDS.format("given.word"))
    # The words are looked at once each: OFFSET keeps Postgres from looking at them in every row.
    kept = " UNION ".join(
        f"SELECT workspace_id, livemode, word FROM {table}, unnest(tsvector_to_array(search)) AS word"
        for table in DOCUMENTS
    )
    op.execute(
        "INSERT INTO search_words (workspace_id, livemode, word) "
        f"SELECT workspace_id, livemode, word FROM ({kept} OFFSET 0) AS found WHERE {WORDS.format('word')} "
        "EXCEPT SELECT workspace_id, livemode, word FROM search_words"
    )


def _make_word_keeper(words: str) -> None:
    """New words of a statement's rows, in one pass. Two writers may both add a word, and neither waits.

    Each is looked up in the index: the plan is made once, and Postgres would read a vocabulary whole that was small.
    """
    op.execute(
        f"""
        CREATE OR REPLACE FUNCTION roadbed_keep_words() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
        BEGIN
            INSERT INTO search_words (workspace_id, livemode, word)
            SELECT given.workspace_id, given.livemode, given.word FROM (
                SELECT DISTINCT workspace_id, livemode, word
                FROM fresh, unnest(tsvector_to_array(search)) AS word OFFSET 0
            ) AS given LEFT JOIN LATERAL (
                SELECT true AS here FROM search_words AS known
                WHERE known.workspace_id = given.workspace_id AND known.livemode = given.livemode
                AND known.word = given.word COLLATE "C" LIMIT 1
            ) AS known ON true
            WHERE known.here IS NULL AND {words};
            RETURN NULL;
        END $$
        """
    )
