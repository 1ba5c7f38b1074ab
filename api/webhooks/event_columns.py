"""What reading in order and expunging add to the table of events.

`xid` is the transaction that wrote the event. Ids are made before the commit, so a reader by id would pass over an
event whose transaction ends late. Read by (xid, id), and only below the oldest transaction that still runs, nothing
is passed over: whoever commits later has a higher xid (docs/decisions/0010-event-feed.md).
"""

from sqlalchemy import BigInteger, Column, DateTime, Index, Table, Text, func, text

from api.webhooks.models import Event

EVENTS: Table = Event.__table__  # type: ignore[assignment]
XID: Column[int] = Column(
    "xid", BigInteger, server_default=text("(pg_current_xact_id()::text)::bigint"), nullable=False
)
EXPUNGED_AT: Column[object] = Column("expunged_at", DateTime(timezone=True), nullable=True)
EVENTS.append_column(XID)
EVENTS.append_column(EXPUNGED_AT)
Index("ix_events_feed", EVENTS.c.workspace_id, EVENTS.c.livemode, EVENTS.c.xid, EVENTS.c.id)

# Every transaction below it has ended, and what it wrote is seen.
HORIZON = func.pg_snapshot_xmin(func.pg_current_snapshot()).cast(Text).cast(BigInteger)
