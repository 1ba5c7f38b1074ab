"""`roadbed verify`: recompute every workspace's chain of decisions, as the worker's role that sees them all."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, union

from api.db import wire_id
from api.decisions.chain import verify
from api.decisions.models import Decision, DecisionChained, DecisionHead, DecisionLink
from api.settings import Settings
from api.stores import WORKER_ROLE, Prepared, Scope, Stores, open_stores

# A chain is looked for in every table that belongs to it: whoever removes a whole head has not hidden the rest.
_CHAINS = Prepared(
    union(
        *(select(table.workspace_id, table.livemode) for table in (DecisionHead, DecisionChained, DecisionLink)),
        select(Decision.workspace_id, Decision.livemode).where(Decision.status == "recorded"),
    )
)


@dataclass(frozen=True)
class Verified:
    """One workspace and mode. `told` is what `GET /v1/decisions/chain` answers."""

    workspace: str
    livemode: bool
    told: dict[str, Any]

    @property
    def as_told(self) -> dict[str, Any]:
        """For pipes."""
        return {"workspace_id": self.workspace, "livemode": self.livemode, **self.told}

    @property
    def lines(self) -> list[str]:
        """For people: one line, and one more for each fault."""
        name = f"{self.workspace} {'live' if self.livemode else 'test'}"
        if self.told["intact"]:
            return [f"{name}: {self.told['length']} entries, intact, head {self.told['head']}"]
        faults = [f"  {_place(fault)}{fault['problem']}" for fault in self.told["faults"]]
        return [f"{name}: {self.told['length']} entries, BROKEN", *faults]


async def verify_all(settings: Settings) -> list[Verified]:
    """Every chain in the database."""
    async with open_stores(settings, role=WORKER_ROLE) as stores:
        async with stores.transaction() as tx:
            chains = [(row["workspace_id"], row["livemode"]) for row in await tx.all(_CHAINS)]
        return [await _verify(stores, Scope(*chain)) for chain in sorted(chains)]


async def _verify(stores: Stores, scope: Scope) -> Verified:
    assert scope.workspace_id is not None
    async with stores.transaction(scope) as tx:
        told = await verify(tx)
    return Verified(wire_id("ws", scope.workspace_id), bool(scope.livemode), told)


def _place(fault: dict[str, Any]) -> str:
    place = f"entry {fault['position']}: " if fault["position"] is not None else ""
    return place + (f"{fault['subject']}: " if fault["subject"] is not None else "")
