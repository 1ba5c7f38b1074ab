"""What many rows at once set going: one bell, each row as JSON once, and every word through its index."""

import importlib

from alembic import op

revision = "0034"
down_revision = "0033"

_WHO = (
    "nullif(current_setting('roadbed.key_id', true), '')::uuid, nullif(current_setting('roadbed.request_id', true), '')"
)
# OFFSET keeps Postgres from making the JSON again wherever it is named.
MADE = "(SELECT workspace_id, livemode, to_jsonb(new_rows) AS whole FROM new_rows OFFSET 0) AS made"
MADE_ID = "roadbed_id(TG_ARGV[0], (made.whole ->> TG_ARGV[2])::uuid)"
MADE_AFTER = "made.whole - TG_ARGV[1]::text[]"


def upgrade() -> None:
    _tell_once_for_each_statement()
    _audit_rows_made_json_once()
    _keep_words_by_their_index()


def downgrade() -> None:
    op.execute("DROP TRIGGER tell_event ON events")
    op.execute(
        """
        CREATE OR REPLACE FUNCTION roadbed_tell_event() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_notify('roadbed_events', NEW.workspace_id || '/' || NEW.livemode);
            RETURN NULL;
        END $$
        """
    )
    op.execute("CREATE TRIGGER tell_event AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION roadbed_tell_event()")
    _audit_inserts(
        "roadbed_id(TG_ARGV[0], (to_jsonb(new_rows) ->> TG_ARGV[2])::uuid)",
        "to_jsonb(new_rows) - TG_ARGV[1]::text[]",
        "new_rows",
    )
    before = importlib.import_module("migrations.versions.0020_search_in_tiers")
    before._make_word_keeper(before.WORDS.format("given.word"))


def _tell_once_for_each_statement() -> None:
    """A statement writes events of one workspace; were they of several, each is told."""
    op.execute("DROP TRIGGER tell_event ON events")
    op.execute(
        """
        CREATE OR REPLACE FUNCTION roadbed_tell_event() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_notify('roadbed_events', told.workspace_id || '/' || told.livemode)
            FROM (SELECT DISTINCT workspace_id, livemode FROM fresh) AS told;
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER tell_event AFTER INSERT ON events REFERENCING NEW TABLE AS fresh "
        "FOR EACH STATEMENT EXECUTE FUNCTION roadbed_tell_event()"
    )


def _audit_rows_made_json_once() -> None:
    _audit_inserts(MADE_ID, MADE_AFTER, MADE)


def _audit_inserts(row_id: str, after: str, rows: str) -> None:
    op.execute(
        f"""
        CREATE OR REPLACE FUNCTION roadbed_audit_insert() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO audit_log
                (workspace_id, livemode, key_id, request_id, resource, resource_id, action, before, after)
            SELECT workspace_id, livemode, {_WHO}, TG_TABLE_NAME, {row_id}, 'insert', NULL, {after} FROM {rows};
            RETURN NULL;
        END $$
        """
    )


def _keep_words_by_their_index(which: str = "") -> None:
    """The plan is made once in a session, often while the vocabulary is nearly empty and all indexes look alike.

    A range of one word in the order of the words, sorting being dear, leaves only the index that has them in order.
    """
    before = importlib.import_module("migrations.versions.0020_search_in_tiers")
    op.execute(
        f"""
        CREATE OR REPLACE FUNCTION roadbed_keep_words() RETURNS trigger LANGUAGE plpgsql
        SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
        BEGIN
            INSERT INTO search_words (workspace_id, livemode, word)
            SELECT given.workspace_id, given.livemode, given.word FROM (
                SELECT DISTINCT workspace_id, livemode, word
                FROM fresh, unnest(tsvector_to_array(search)) AS word {which} OFFSET 0
            ) AS given LEFT JOIN LATERAL (
                SELECT true AS here FROM search_words AS known
                WHERE known.workspace_id = given.workspace_id AND known.livemode = given.livemode
                AND known.word >= given.word COLLATE "C" AND known.word <= given.word COLLATE "C"
                ORDER BY known.word LIMIT 1
            ) AS known ON true
            WHERE known.here IS NULL AND {before.WORDS.format("given.word")};
            RETURN NULL;
        END $$
        """
    )
