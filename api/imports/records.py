"""Documents that are one decision record: MADR, Nygard's, log4brains'."""

from typing import Literal
from uuid import UUID

from api.db import parse_id
from api.decisions.bring_in import bring_in
from api.imports.documents import Skipped, decoded
from api.imports.reading import Options, Reader, Reading, ReadRecord
from api.stores import Transaction


def record_reader(format: Literal["madr", "nygard", "log4brains"]) -> Reader:
    """A reader that takes the whole document."""

    def read(content: bytes | str, options: Options) -> Reading:
        reading = Reading(options.source or format)
        reading.records.append(ReadRecord(decoded(content), format))
        return reading

    return read


async def write_records(tx: Transaction, reading: Reading) -> list[tuple[str, UUID]]:
    """What became of each, created or unchanged, with its id. What was not understood is added to the reading."""
    outcomes: list[tuple[str, UUID]] = []
    for row in reading.records:
        told = await bring_in(tx, row.text, row.format)
        reading.skipped += [Skipped(one["line"], one["reason"]) for one in told.skipped]
        for title in told.kept[:20]:
            reading.note(f"The section {title[:60]!r} is kept as it is.")
        for status, names in (("created", told.created), ("unchanged", told.unchanged)):
            outcomes += [(status, id_) for name in names if (id_ := parse_id("dec", name)) is not None]
    return outcomes
