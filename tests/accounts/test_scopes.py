"""Every operation of the document against a key that has every scope but the one it needs, and one that has only it."""

import httpx
import pytest

from api.accounts.scopes import EVERY_SCOPE
from tests.support.document import Operation, operations
from tests.support.problems import problem
from tests.support.things import body_of, missing_id
from tests.support.workspace import Workspace, made, with_key

# A stream never ends: it is opened in its own tests.
SCOPED = [one for one in operations() if one.scope is not None and one.id != "stream_events"]


def _path(operation: Operation) -> str:
    path = f"/v1{operation.path}"
    for name in operation.names:
        path = path.replace(f"{{{name}}}", missing_id(operation.prefix or "x") if name == "id" else "sample")
    return path


def test_every_scope_of_the_document_exists_and_is_needed_somewhere() -> None:
    assert {one.scope for one in SCOPED} == set(EVERY_SCOPE) - {"imports:write"} | (
        {one.scope for one in SCOPED} & {"imports:write"}
    )


async def test_a_key_with_every_other_scope_is_refused_and_told_which_it_lacks(
    workspace: Workspace, client: httpx.AsyncClient
) -> None:
    for needed in {one.scope for one in SCOPED}:
        others = [scope for scope in EVERY_SCOPE if scope != needed]
        key = await made(workspace.live, "/v1/keys", {"name": "Others", "scopes": others})
        async with with_key(client, key["secret"]) as caller:
            for operation in (one for one in SCOPED if one.scope == needed):
                answer = await caller.request(operation.method, _path(operation), json=body_of(operation))
                told = problem(answer, 403, "insufficient_scope")
                assert needed in told["detail"], operation.id
                assert f'scope="{needed}"' in answer.headers["www-authenticate"]


async def test_each_single_scope_opens_its_own_operations_and_no_others(
    workspace: Workspace, client: httpx.AsyncClient
) -> None:
    for scope in EVERY_SCOPE:
        key = await made(workspace.live, "/v1/keys", {"name": scope, "scopes": [scope]})
        async with with_key(client, key["secret"]) as caller:
            for operation in SCOPED:
                answer = await caller.request(operation.method, _path(operation), json=body_of(operation))
                refused = answer.status_code == 403
                lacks_more = operation.id == "create_key" and scope == "keys:admin"
                assert refused == (operation.scope != scope) or lacks_more, (operation.id, scope, answer.text)


@pytest.mark.parametrize("operation", SCOPED, ids=str)
async def test_an_operation_without_a_key_is_a_401_whatever_its_body_is(
    client: httpx.AsyncClient, operation: Operation
) -> None:
    problem(await client.request(operation.method, _path(operation), content=b"\xff{"), 401, "unauthenticated")
