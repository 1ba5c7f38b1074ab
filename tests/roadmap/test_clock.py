"""Revisions follow each other, whatever the clock of the process does."""

from datetime import UTC, datetime, timedelta

import asyncpg

from tests.support.workspace import Workspace, made

PATH = "/v1/roadmap/reprioritize"


async def test_a_clock_that_steps_back_does_not_bring_an_older_revision_back(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    await workspace.scored("Dark mode")
    first = await made(workspace.live, PATH, {})
    # As if the process that wrote it had been ten minutes ahead of this one.
    ahead = datetime.now(UTC) + timedelta(minutes=10)
    await owner.execute("UPDATE roadmap_revisions SET created_at = $1", ahead)
    await workspace.scored("Real-time collab")

    second = await made(workspace.live, PATH, {})
    third = await made(workspace.live, PATH, {})

    assert [move["from"] for move in second["moves"]] == [None]
    assert third["moves"] == []
    current = (await workspace.live.get("/v1/roadmap")).json()
    assert [row["title"] for row in current["ranking"]] == ["Real-time collab", "Dark mode"]
    listed = (await workspace.live.get("/v1/roadmap/revisions")).json()["data"]
    assert [one["id"] for one in listed] == [third["id"], second["id"], first["id"]]
    assert len({one["created_at"] for one in listed}) == 3
