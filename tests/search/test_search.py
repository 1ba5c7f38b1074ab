"""Finding features, PRDs and decisions by words."""

import asyncio

import asyncpg
import httpx
import pytest

from api.search.query import fold, parse
from tests.support.workspace import Workspace, made, with_key


async def titles(workspace: Workspace, q: str, **params: str) -> list[str]:
    answer = await workspace.live.get("/v1/features", params={"q": q, **params})
    assert answer.status_code == 200, answer.text
    return [one["title"] for one in answer.json()["data"]]


async def features(workspace: Workspace, *given: tuple[str, str]) -> None:
    items = [{"title": title, "description": text or None} for title, text in given]
    await made(workspace.live, "/v1/features/batch", {"items": items})


async def test_all_words_are_wanted_and_titles_come_first(workspace: Workspace) -> None:
    await features(
        workspace,
        ("Night theme", "A dark mode for the editor, dark as the night mode of others"),
        ("Dark mode", ""),
        ("Dark chocolate", "Not a theme"),
    )
    assert await titles(workspace, "dark mode") == ["Dark mode", "Night theme"]


@pytest.mark.parametrize("typed", ["colaboration", "collabroation", "collaboratoin", "COLLABORATION", "collab"])
async def test_typos_and_beginnings_are_forgiven(workspace: Workspace, typed: str) -> None:
    await features(workspace, ("Real-time collaboration", ""), ("Dark mode", ""), ("Corroboration", ""))
    assert "Real-time collaboration" in await titles(workspace, typed)
    assert "Dark mode" not in await titles(workspace, typed)


async def test_a_typo_in_the_words_of_a_description_is_forgiven_too(workspace: Workspace) -> None:
    await features(workspace, ("Exports", "Spreadsheets for the accountants"))
    assert await titles(workspace, "spreadshets acountants") == ["Exports"]


async def test_quotes_minus_and_or(workspace: Workspace) -> None:
    await features(
        workspace,
        ("Cursor colours", "Show where others edit in real time"),
        ("Time tracking", "Real hours, a draft"),
        ("Offline notes", ""),
    )
    assert await titles(workspace, '"real time"') == ["Cursor colours"]
    assert await titles(workspace, "time -draft") == ["Cursor colours"]
    assert set(await titles(workspace, "offline or tracking")) == {"Offline notes", "Time tracking"}


@pytest.mark.parametrize(
    ("title", "typed"),
    [
        ("Café menü", "cafe menu"),
        ("Cafe menu", "Café MENÜ"),
        ("Поиск по документам", "документам"),
        ("ΑΝΑΖΉΤΗΣΗ", "αναζήτηση"),
        ("リアルタイム共同編集", "共同"),
        ("实时协作功能", "协作"),
        ("실시간 협업", "협업"),
        ("read/write e-mail@host C++", "write mail"),
        ("Łódź øre", "lodz ore"),
        ("50k users/qtr", "50k users"),
    ],
)
async def test_any_language_is_found(workspace: Workspace, title: str, typed: str) -> None:
    await features(workspace, (title, ""), ("Something else", ""))
    assert await titles(workspace, typed) == [title]


@pytest.mark.parametrize(
    "q", ["'", "a & | !", ":*", '"', "foo:*", "\\", "'; DROP TABLE features; --", "😀 x", "-x y", "((("]
)
async def test_no_query_breaks_it(workspace: Workspace, q: str) -> None:
    await features(workspace, ("Dark mode", ""))
    for path in ("/v1/features", "/v1/search", "/v1/prds", "/v1/decisions"):
        answer = await workspace.live.get(path, params={"q": q})
        assert answer.status_code in (200, 400), answer.text
        assert answer.status_code == 200 or answer.json()["errors"][0]["target"]["name"] == "q"


async def test_a_query_without_a_word_is_refused_and_says_so(workspace: Workspace) -> None:
    answer = await workspace.live.get("/v1/features", params={"q": "-draft"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "no_words")


async def test_changes_are_found_at_once_and_deleted_ones_not(workspace: Workspace) -> None:
    feature = await workspace.feature("Dark mode")
    await workspace.live.patch(f"/v1/features/{feature['id']}", json={"title": "Solarised theme"})
    assert await titles(workspace, "dark") == []
    assert await titles(workspace, "solarized") == ["Solarised theme"]
    await workspace.live.delete(f"/v1/features/{feature['id']}")
    assert await titles(workspace, "solarised") == []


async def test_matches_go_with_filters_sorts_and_pages(workspace: Workspace) -> None:
    items = [{"title": f"Dark mode {n:02}", "status": "planned" if n % 2 else "idea"} for n in range(30)]
    await made(workspace.live, "/v1/features/batch", {"items": items})
    found, cursor = [], None
    while True:
        params = {"q": "dark mode", "status": "planned", "limit": "4"} | ({"cursor": cursor} if cursor else {})
        page = (await workspace.live.get("/v1/features", params=params)).json()
        found += [one["title"] for one in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(found) == [f"Dark mode {n:02}" for n in range(1, 30, 2)]
    assert (await titles(workspace, "dark mode", sort="title", limit="2")) == ["Dark mode 00", "Dark mode 01"]


async def test_no_workspace_and_no_mode_finds_anothers_words(workspace: Workspace, other_workspace: Workspace) -> None:
    await features(workspace, ("Secret collaboration", ""))
    assert await titles(other_workspace, "secret") == []
    assert await titles(other_workspace, "colaboration") == []
    assert (await workspace.test.get("/v1/features", params={"q": "secret"})).json()["data"] == []
    told = (await other_workspace.live.get("/v1/search", params={"q": "colaboration"})).json()
    assert (told["data"], told["corrected"]) == ([], {})


async def test_the_role_that_searches_sees_ids_and_words_and_nothing_else(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        "SELECT table_name, column_name, privilege_type FROM information_schema.column_privileges "
        "WHERE grantee = 'roadbed_search'"
    )
    tables = ("decisions", "features", "prds")
    assert sorted(tuple(row) for row in rows) == sorted((t, c, "SELECT") for t in tables for c in ("id", "search"))


async def test_one_search_over_all_kinds_with_highlights(workspace: Workspace) -> None:
    await features(workspace, ("Dark mode", "Eyes rest at night"))
    await made(workspace.live, "/v1/prds", {"title": "PRD of the editor", "problem": "No dark mode at night"})
    options = [{"key": "build", "title": "Build dark mode"}]
    await made(workspace.live, "/v1/decisions", {"title": "Theme", "kind": "scope", "options": options})
    told = (await workspace.live.get("/v1/search", params={"q": "dark mode"})).json()
    assert told["data"][0]["type"] == "feature"
    assert {one["type"] for one in told["data"]} == {"feature", "prd", "decision"}
    assert told["data"][0]["highlight"] == "**Dark** **mode**"
    assert told["data"][0]["relevance"] > 1
    prd = next(one for one in told["data"] if one["type"] == "prd")
    assert "**dark** **mode**" in prd["snippet"]
    only = (await workspace.live.get("/v1/search", params={"q": "dark mode", "type": "prd,decision"})).json()
    assert {one["type"] for one in only["data"]} == {"prd", "decision"}
    for path, count in (("/v1/prds", 1), ("/v1/decisions", 1)):
        assert len((await workspace.live.get(path, params={"q": "dark mode"})).json()["data"]) == count


async def test_search_goes_page_by_page_without_gaps(workspace: Workspace) -> None:
    await features(workspace, *((f"Dark mode {n}", "") for n in range(25)))
    found, params = [], {"q": "dark", "limit": "10"}
    for _ in range(3):
        page = (await workspace.live.get("/v1/search", params=params)).json()
        found += [one["title"] for one in page["data"]]
        params["cursor"] = page["next_cursor"]
    assert page["next_cursor"] is None
    assert len(set(found)) == 25
    other = await workspace.live.get("/v1/search", params={"q": "mode", "cursor": "AAAA"})
    assert (other.status_code, other.json()["code"]) == (400, "invalid_cursor")


async def test_search_tells_what_it_corrected(workspace: Workspace) -> None:
    await features(workspace, ("Real-time collaboration", ""))
    told = (await workspace.live.get("/v1/search", params={"q": "colaboration"})).json()
    assert told["corrected"] == {"colaboration": ["collaboration"]}


async def test_a_key_searches_what_it_may_read(workspace: Workspace, client: httpx.AsyncClient) -> None:
    await features(workspace, ("Dark mode", ""))
    await made(workspace.live, "/v1/prds", {"title": "Dark mode"})
    key = await workspace.live.post("/v1/keys", json={"name": "narrow", "scopes": ["features:read"]})
    if key.status_code != 201:
        pytest.skip("keys are made elsewhere")
    async with with_key(client, key.json()["secret"]) as narrow:
        told = (await narrow.get("/v1/search", params={"q": "dark"})).json()
        assert [one["type"] for one in told["data"]] == ["feature"]
        assert (await narrow.get("/v1/search", params={"q": "dark", "type": "prd"})).status_code == 403


async def test_writers_of_the_same_new_words_do_not_wait_for_each_other(workspace: Workspace) -> None:
    bodies = [{"items": [{"title": f"Kaleidoscope number {n} zebra"} for n in range(50)]} for _ in range(6)]
    answers = await asyncio.gather(*(workspace.live.post("/v1/features/batch", json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}


def test_a_query_is_parsed_as_people_type_it() -> None:
    terms = parse('dark "real time" -draft or modes')
    assert [(term.words, term.unwanted, term.either, term.begins) for term in terms] == [
        (("dark",), False, False, False),
        (("real", "time"), False, False, False),
        (("draft",), True, False, False),
        (("modes",), False, True, True),
    ]
    assert len(parse("x " * 500)) <= 12


async def test_python_and_postgres_fold_alike(owner: asyncpg.Connection) -> None:
    for text in ("Café-Menü 需求 ÀÉÎ", "Łódź/øre", "ΑΝΑΖΉΤΗΣΗ Ёж", "a_b c.d e@f", "naïve…x", "“Quoted” — dash"):
        words = await owner.fetchval("SELECT tsvector_to_array(to_tsvector('simple', roadbed_fold($1)))", text)
        assert sorted(set(fold(text))) == sorted(words), text
