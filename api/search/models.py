"""What search keeps: a column of lexemes in each table that can be searched, and the words that titles have."""

from typing import Any
from uuid import UUID

from sqlalchemy import Computed, Index, Text, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, MappedColumn, mapped_column

from api.db import Base, Tenant


def searched(words: str) -> MappedColumn[Any]:
    """The lexemes of a row: the title's with weight A, those of `words` (an SQL expression), and the tenant's.

    Written by Postgres itself (migrations 0010 and 0020), so that no way of writing a row leaves search behind.
    """
    document = f"roadbed_document(workspace_id, livemode, id, title, {words})"
    return mapped_column(TSVECTOR, Computed(document, persisted=True), sort_order=99)


def search_index(table: str) -> Index:
    """The inverted index. The workspace is a lexeme in it: a common word costs a tenant only its own rows."""
    held_back = {"gin_pending_list_limit": "512"}  # kB of new rows, before a writer sorts them into the index
    return Index(f"ix_{table}_search", "search", postgresql_using="gin", postgresql_with=held_back)


class SearchWord(Tenant, Base):
    """A word that stands in a workspace's documents, kept by triggers: typos in a query are corrected against these.

    The same word may stand here twice. Writers never wait for each other, which a unique index would make them do.
    `ending` is the word from its end. Both sort by bytes, so that what begins alike is one range of an index.
    """

    __tablename__ = "search_words"
    __table_args__ = (
        Index("ix_search_words_word", "workspace_id", "livemode", "word"),
        Index("ix_search_words_ending", "workspace_id", "livemode", "ending"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    word: Mapped[str] = mapped_column(Text(collation="C"))
    ending: Mapped[str] = mapped_column(Text(collation="C"), Computed("reverse(word)", persisted=True))
