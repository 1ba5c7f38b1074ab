"""The answer of whoever starts long work."""

from uuid import UUID

import asyncpg

from api.db import wire_id
from api.http.reply import Reply


def accepted(operation_id: UUID, row: asyncpg.Record) -> Reply:
    """202 with the operation, and where to ask for it."""
    headers = {"Location": f"/v1/operations/{wire_id('op', operation_id)}", "ETag": f'"{row["version"]}"'}
    return Reply(row["json"], 202, headers)
