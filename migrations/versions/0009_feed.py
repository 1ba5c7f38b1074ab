"""The order in which events are read, the bell of those who wait for them, and payloads that can be expunged.

`xid` is the transaction that wrote the event. Ids are made before the commit, so that a reader by id would pass over
an event whose transaction ends late; by transaction, and only up to the oldest that still runs, none is passed over.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    # A stable default costs no rewrite: older events all get this transaction, and stay in the order of their ids.
    op.add_column(
        "events",
        sa.Column(
            "xid", sa.BigInteger(), server_default=sa.text("(pg_current_xact_id()::text)::bigint"), nullable=False
        ),
    )
    op.add_column("events", sa.Column("expunged_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_events_feed", "events", ["workspace_id", "livemode", "xid", "id"])
    op.execute("GRANT UPDATE (body, expunged_at) ON events TO roadbed_app")
    # Told by Postgres at commit, once for each workspace however many events; it carries no content.
    op.execute(
        """
        CREATE FUNCTION roadbed_tell_event() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_notify('roadbed_events', NEW.workspace_id || '/' || NEW.livemode);
            RETURN NULL;
        END $$
        """
    )
    op.execute("CREATE TRIGGER tell_event AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION roadbed_tell_event()")


def downgrade() -> None:
    op.execute("DROP TRIGGER tell_event ON events")
    op.execute("DROP FUNCTION roadbed_tell_event()")
    op.execute("REVOKE UPDATE (body, expunged_at) ON events FROM roadbed_app")
    op.drop_index("ix_events_feed", "events")
    op.drop_column("events", "expunged_at")
    op.drop_column("events", "xid")
