"""A list is walked to its end without loss or repeat, and its cursor is nobody else's."""

import base64
from itertools import product
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from api.db import parse_id
from api.http.schema import MOST_COUNTED
from tests.support.document import Operation, operations
from tests.support.problems import pointers, problem
from tests.support.things import a_thing, url_of
from tests.support.workspace import Workspace

PAGES = [one for one in operations() if any(parameter["name"] == "cursor" for parameter in one.spec["parameters"])]
SORTS = [
    None,
    "created_at",
    "-created_at",
    "updated_at",
    "-updated_at",
    "title",
    "-title",
    *(f"{a}title,{b}created_at" for a, b in product(("", "-"), repeat=2)),
    "-updated_at,title,-created_at",
]


async def _walk(client: httpx.AsyncClient, limit: int = 10, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    for _ in range(100):
        page = (
            await client.get(
                "/v1/features", params={"limit": limit, **params, **({"cursor": cursor} if cursor else {})}
            )
        ).json()
        assert page["object"] == "list"
        assert len(page["data"]) <= limit
        found += page["data"]
        cursor = page["next_cursor"]
        assert page["has_more"] == (cursor is not None)
        if cursor is None:
            return found
    raise AssertionError("the list has no end")


async def _fifty_seven(workspace: Workspace) -> None:
    """Titles with ties and with the longest texts that are allowed."""
    for number in range(57):
        title = f"Tie {number % 5}" if number % 3 else "🚀" * 290 + str(number % 4)
        await workspace.feature(title, status="planned" if number % 2 else "idea")


async def test_fifty_seven_rows_are_walked_in_every_sort_without_loss_or_repeat(workspace: Workspace) -> None:
    await _fifty_seven(workspace)
    everything = await _walk(workspace.live, 100)
    assert len(everything) == 57
    for sort, limit in product(SORTS, (1, 10, 56, 57)):
        if limit == 1 and sort not in (None, "-title", "-updated_at,title,-created_at"):
            continue
        rows = await _walk(workspace.live, limit, **({"sort": sort} if sort else {}))
        assert len(rows) == 57, (sort, limit)
        assert {row["id"] for row in rows} == {row["id"] for row in everything}, (sort, limit)
        if sort in ("created_at", "updated_at", None, "-created_at", "-updated_at"):
            keys = [row[(sort or "-created_at").lstrip("-")] for row in rows]
            assert keys == sorted(keys, reverse=sort is None or sort.startswith("-"))
    titles = [row["title"] for row in await _walk(workspace.live, sort="title")]
    assert titles == list(reversed([row["title"] for row in await _walk(workspace.live, sort="-title")]))


async def test_rows_made_meanwhile_neither_hide_nor_repeat_the_others(workspace: Workspace) -> None:
    before = [(await workspace.feature(f"Feature {number}"))["id"] for number in range(57)]
    for params in ({}, {"sort": "-created_at"}, {"sort": "created_at"}, {"sort": "title"}):
        found, cursor = [], None
        while True:
            query = {"limit": 10, **params, **({"cursor": cursor} if cursor else {})}
            page = (await workspace.live.get("/v1/features", params=query)).json()
            found += [row["id"] for row in page["data"]]
            await workspace.feature(f"Feature {len(found)} in between")
            cursor = page["next_cursor"]
            if cursor is None or len(found) > 500:
                break
        assert len(found) == len(set(found))
        assert set(before) <= set(found)


async def test_the_link_header_leads_to_the_next_page(workspace: Workspace) -> None:
    for number in range(3):
        await workspace.feature(f"Feature {number}")
    first = await workspace.live.get("/v1/features", params={"limit": 2, "status": "candidate"})
    link = first.headers["link"]
    assert link.endswith('>; rel="next"')
    url = urlsplit(link[1:].partition(">")[0])
    assert (url.scheme, url.netloc, url.path) == ("http", "roadbed.test", "/v1/features")
    second = await workspace.live.get(f"{url.path}?{url.query}")
    assert len(second.json()["data"]) == 1
    assert "link" not in second.headers


async def _cursor(client: httpx.AsyncClient, **params: Any) -> str:
    cursor = (await client.get("/v1/features", params={"limit": 1, **params})).json()["next_cursor"]
    assert isinstance(cursor, str)
    return cursor


async def test_a_cursor_of_another_list_filter_sort_mode_or_workspace_is_a_400(
    workspace: Workspace, other_workspace: Workspace
) -> None:
    for caller in (workspace.live, workspace.test, other_workspace.live):
        for number in range(2):
            await caller.post("/v1/features", json={"title": str(number)})
    mine = await _cursor(workspace.live)
    strangers = [
        await workspace.live.get("/v1/prds", params={"cursor": mine}),
        await workspace.live.get("/v1/features", params={"cursor": mine, "sort": "title"}),
        await workspace.live.get("/v1/features", params={"cursor": mine, "status": "idea"}),
        await workspace.test.get("/v1/features", params={"cursor": mine}),
        await other_workspace.live.get("/v1/features", params={"cursor": mine}),
        await workspace.live.get("/v1/features", params={"cursor": await _cursor(workspace.live, sort="title")}),
    ]
    for answer in strangers:
        assert pointers(problem(answer, 400, "invalid_cursor")) == ["cursor"]
    assert (await workspace.live.get("/v1/features", params={"cursor": mine, "limit": 50})).status_code == 200


async def test_a_forged_or_broken_cursor_is_a_400(workspace: Workspace) -> None:
    for number in range(2):
        await workspace.feature(str(number))
    mine = await _cursor(workspace.live)
    raw = bytearray(base64.urlsafe_b64decode(mine + "=" * (-len(mine) % 4)))
    flipped = []
    for place in (0, 15, 16, len(raw) // 2, len(raw) - 1):
        forged = bytearray(raw)
        forged[place] ^= 1
        flipped.append(base64.urlsafe_b64encode(bytes(forged)).rstrip(b"=").decode())
    junk = [
        "x",
        "%",
        "null",
        "é",
        "AAAA",
        mine[:-2],
        mine + "AAAA",
        "A" * 1000,
        base64.urlsafe_b64encode(b"\x00" * 16).decode(),
    ]
    for cursor in [*flipped, *junk]:
        answer = await workspace.live.get("/v1/features", params={"cursor": cursor})
        problem(answer, 400, "invalid_cursor")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("limit=99999999999999999999999", "limit"),
        ("cursor=", "cursor"),
        ("offset=10", "offset"),
        ("page=2", "page"),
        ("Limit=10", "Limit"),
        ("status=done", "status"),
        ("status=idea,done", "status"),
        ("sort=size", "sort"),
        ("sort=", "sort"),
        ("sort=title,", "sort"),
        ("sort=--title", "sort"),
        ("sort=title,title", "sort"),
        ("sort=title,-title", "sort"),
        ("sort=title,created_at,updated_at,title", "sort"),
        ("created_at_gte=yesterday", "created_at_gte"),
        ("created_at_gte=2026-11-23", "created_at_gte"),
        ("created_at_gte=2026-11-23T10:00:00", "created_at_gte"),
        ("created_at_gte=1700000000", "created_at_gte"),
        ("created_at_gte=0001-01-01T00:00:00%2B14:00", "created_at_gte"),
        ("updated_at_lte=9999-12-31T23:59:59-14:00", "updated_at_lte"),
    ],
)
async def test_a_parameter_that_the_list_does_not_take_is_a_400_that_names_it(
    workspace: Workspace, query: str, name: str
) -> None:
    assert pointers(problem(await workspace.live.get(f"/v1/features?{query}"), 400))[0] == name


async def test_filters_select_by_equality_any_of_and_range(workspace: Workspace) -> None:
    for status in ("idea", "planned", "shipped"):
        await workspace.feature(status, status=status, bucket="technical")
    moment = (await workspace.live.get("/v1/features", params={"status": "planned"})).json()["data"][0]["created_at"]

    async def titles(query: str) -> list[str]:
        return [
            row["title"] for row in (await workspace.live.get(f"/v1/features?{query}&sort=created_at")).json()["data"]
        ]

    assert await titles("status=idea,shipped") == ["idea", "shipped"]
    assert await titles("status=idea&status=shipped") == ["idea", "shipped"]
    assert await titles(f"created_at_gte={moment}") == ["planned", "shipped"]
    assert await titles(f"created_at_lte={moment}") == ["idea", "planned"]
    assert await titles(f"created_at_lte={moment}&status=planned&bucket=technical") == ["planned"]
    assert await titles("bucket=innovation") == []


@pytest.mark.parametrize("operation", PAGES, ids=str)
async def test_every_list_tells_how_many_items_it_has_when_it_is_asked(
    workspace: Workspace, operation: Operation
) -> None:
    for _ in range(2):
        for prefix in ("rev", "dec", "prd", "dlv", "ep", "debt", "spike", "imp"):
            await a_thing(workspace.live, prefix)
    path = await url_of(workspace.live, operation)
    asked = {"q": "dark"} if operation.id == "search" else {}
    plain = (await workspace.live.get(path, params={**asked, "limit": 100})).json()
    assert "total_count" not in plain
    for limit in (1, 100):
        params = {**asked, "limit": limit, "include": "total_count"}
        page = (await workspace.live.get(path, params=params)).json()
        assert (page["total_count"], page["total_count_capped"]) == (len(plain["data"]), False)
    if page["has_more"] or len(plain["data"]) > 1:
        first = (await workspace.live.get(path, params={**asked, "limit": 1})).json()
        params = {**asked, "limit": 1, "include": "total_count", "cursor": first["next_cursor"]}
        second = (await workspace.live.get(path, params=params)).json()
        assert second["total_count"] == len(plain["data"])


async def test_the_total_is_of_what_the_filters_leave(workspace: Workspace) -> None:
    for number in range(7):
        status = "planned" if number % 2 else "idea"
        feature = await workspace.feature(f"Dark mode {number}", status=status)
        if number < 2:
            inputs = {"reach": 10 ** (number + 1), "impact": 1, "confidence": 1, "effort": 1}
            scored = {"framework": "rice", "inputs": inputs}
            await workspace.live.post(f"/v1/features/{feature['id']}/scores", json=scored)
    await workspace.feature("Other")
    for params, count in (
        ({}, 8),
        ({"status": "planned"}, 3),
        ({"status": "shipped"}, 0),
        ({"q": "dark"}, 7),
        ({"q": "dark", "status": "idea"}, 4),
        ({"sort": "-score"}, 2),
        ({"score_gte": "50"}, 1),
    ):
        page = (await workspace.live.get("/v1/features", params={**params, "include": "total_count"})).json()
        assert page["total_count"] == count, params


async def test_beyond_ten_thousand_the_total_says_that_it_is_more(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    feature = await workspace.feature()
    kept = "title, status, bucket, labels, metadata, depends_on"
    more = f"INSERT INTO features (workspace_id, livemode, id, {kept}) "
    more += f"SELECT workspace_id, livemode, uuidv7(), {kept} FROM features, generate_series(1, $1)"
    for extra, told in ((MOST_COUNTED - 1, (MOST_COUNTED, False)), (1, (MOST_COUNTED, True))):
        await owner.execute(f"{more} WHERE id = $2", extra, parse_id("feat", feature["id"]))
        page = (await workspace.live.get("/v1/features", params={"include": "total_count", "limit": 1})).json()
        assert (page["total_count"], page["total_count_capped"]) == told


async def test_something_else_to_include_is_a_400(workspace: Workspace) -> None:
    for wrong in ("total", "total_count,total_count", ""):
        answer = await workspace.live.get("/v1/features", params={"include": wrong})
        assert all(name == "include" for name in pointers(problem(answer, 400)))
    answer = await workspace.live.get("/v1/events", params={"include": "total_count", "after": "start"})
    problem(answer, 400)
