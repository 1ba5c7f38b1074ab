"""Signing up: a workspace and its first two keys, one live and one for the sandbox."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import insert

from api.accounts import secrets
from api.accounts.models import Key, Workspace
from api.accounts.schemas import Signup, WorkspaceShown
from api.accounts.tenancy import insert_owned
from api.db import uuid7
from api.http.representation import Representation
from api.stores import Prepared, Scope, Transaction, binds

WORKSPACE = Representation(WorkspaceShown, Workspace.__table__, "workspace")
_INSERT_WORKSPACE = Prepared(insert(Workspace).values(binds("id", "name", "email")).returning(WORKSPACE.text()))
_INSERT_KEY = Prepared(insert_owned(Key.__table__, "id", "name", "hint", "digest", "scopes"))


@dataclass(frozen=True)
class NewKey:
    """A key whose secret is told once."""

    id: UUID
    secret: str


async def sign_up(tx: Transaction, pepper: bytes, signup: Signup) -> tuple[str, NewKey, NewKey]:
    """Make a workspace. Gives it as JSON text, then its live and its test key; both may do everything."""
    workspace_id = uuid7()
    await tx.speak_for(Scope(workspace_id, livemode=True))
    workspace = await tx.value(_INSERT_WORKSPACE, id=workspace_id, name=signup.workspace, email=signup.email)
    live = await first_key(tx, pepper, "live")
    await tx.speak_for(Scope(workspace_id, livemode=False))
    test = await first_key(tx, pepper, "test")
    return workspace, live, test


async def first_key(tx: Transaction, pepper: bytes, mode: Literal["live", "test"]) -> NewKey:
    """A key that may do everything in the transaction's workspace and mode."""
    new = NewKey(uuid7(), secrets.new_secret(livemode=mode == "live"))
    await tx.run(
        _INSERT_KEY,
        id=new.id,
        name=f"First {mode} key",
        hint=new.secret[-4:],
        digest=secrets.digest(new.secret, pepper),
        scopes=["*"],
    )
    return new
