"""Documents that are one PRD: the guide's template, spec-kit's `spec.md` and Task Master's `tasks.json`."""

from typing import Literal

from api.db import wire_id
from api.imports.documents import Skipped, decoded
from api.imports.reading import Options, Reader, Reading, ReadPrd
from api.prds.bring_in import bring_in
from api.problems import Conflict
from api.stores import Transaction


def prd_reader(format: Literal["prd", "speckit", "taskmaster"]) -> Reader:
    """A reader that takes the whole document."""

    def read(content: bytes | str, options: Options) -> Reading:
        reading = Reading(options.source or format)
        reading.prds.append(ReadPrd(decoded(content), format))
        return reading

    return read


async def write_prds(tx: Transaction, reading: Reading) -> list[str]:
    """What became of each: created, updated or unchanged. What was not understood is added to the reading."""
    outcomes = []
    for row in reading.prds:
        try:
            outcome = await bring_in(tx, row.text, row.format)
        except Conflict as problem:
            reading.skip(0, problem.message)
            continue
        reading.skipped += [Skipped(one.line, one.reason) for one in outcome.skipped]
        if outcome.prd_id is not None:
            outcomes.append(outcome.status)
            reading.note(f"{wire_id('prd', outcome.prd_id)} is {outcome.status}.")
    return list(outcomes)
