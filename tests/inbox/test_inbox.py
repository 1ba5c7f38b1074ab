"""The built-in receiver takes whatever arrives, however much of it at once."""

import asyncio

import asyncpg
import httpx

from tests.support.workspace import Workspace


async def test_many_that_arrive_at_once_in_a_full_inbox_are_all_taken(
    workspace: Workspace, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    url = (await workspace.live.get("/v1/inbox")).json()["url"]
    path = httpx.URL(url).path
    await asyncio.gather(*(client.post(path, json={"n": n}) for n in range(20)))
    await owner.execute(
        "INSERT INTO inbox_messages (workspace_id, livemode, headers, body, verified, answered) "
        "SELECT workspace_id, livemode, headers, body, verified, answered FROM inbox_messages, generate_series(1, 30)"
    )
    for _ in range(5):
        answers = await asyncio.gather(*(client.post(path, json={"n": n}) for n in range(40)))
        assert {answer.status_code for answer in answers} == {204}
    await client.post(path, json={"n": "last"})
    kept = await owner.fetch("SELECT body FROM inbox_messages ORDER BY id DESC")
    assert (len(kept), kept[0]["body"]) == (200, '{"n":"last"}')
