"""`operation.finished`: told here, because operations stand below webhooks and cannot emit."""

from typing import Any

from api.operations.schemas import OperationShown
from api.stores import Transaction
from api.webhooks.catalogue import declare
from api.webhooks.outbox import emit

_EXAMPLE: dict[str, Any] = {
    "id": "op_01h455vb4pex5vsknk084sn02q",
    "object": "operation",
    "livemode": True,
    "kind": "replay",
    "status": "succeeded",
    "progress": {"done": 1200, "total": 1200},
    "params": {"endpoint_id": "ep_01h455vb4pex5vsknk084sn02q", "since": "2026-11-22T00:00:00Z", "dry_run": False},
    "result": {"matched": 1200, "sent": 1200},
    "error": None,
    "started_at": "2026-11-23T09:30:00.000000Z",
    "finished_at": "2026-11-23T09:30:04.000000Z",
    "version": 7,
    "created_at": "2026-11-23T09:30:00.000000Z",
    "updated_at": "2026-11-23T09:30:04.000000Z",
}
FINISHED = declare(
    "operation.finished",
    data=OperationShown,
    example=_EXAMPLE,
    since="2026-11-23",
    description="Long work has ended: it succeeded, failed or was cancelled.",
)


async def tell_finished(tx: Transaction, operation: str) -> None:
    """Emit it in the transaction that ends the operation. `operation` is its JSON text."""
    await emit(tx, FINISHED, operation)
