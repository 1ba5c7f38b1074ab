"""What a search looks at, and in which order: tiers, shares and the vocabulary."""

import random

import asyncpg
import pytest

from api.search.query import _KNOWN, _VOCABULARY
from api.stores import Prepared, Stores
from tests.search.test_search import features, titles
from tests.support.plans import plan_of, scope_of
from tests.support.workspace import Workspace, made


async def test_the_title_that_was_typed_comes_first_however_common_its_words(workspace: Workspace) -> None:
    others = [(f"Dark mode dark mode {n}", "dark mode") for n in range(60)]
    await features(workspace, *others[:30], ("Dark Mode", ""), *others[30:])
    for q in ("dark mode", "mode DARK", "dark-mode"):
        assert (await titles(workspace, q, limit="3"))[0] == "Dark Mode"


async def test_a_phrase_is_looked_for_in_titles_in_its_order(workspace: Workspace) -> None:
    await features(workspace, ("Time for real work", ""), ("In real time", ""), ("Clocks", "shown in real time"))
    assert await titles(workspace, '"real time"') == ["In real time", "Clocks"]
    assert set(await titles(workspace, 'time -"real time"')) == {"Time for real work"}


async def test_a_common_word_is_found_in_each_share_of_the_workspace(workspace: Workspace) -> None:
    """A share has too few to be enough here, so that all of them are found, and once each."""
    items = [{"title": f"Dark mode {n}"} for n in range(300)]
    await made(workspace.live, "/v1/features/batch", {"items": items})
    found: list[str] = []
    params = {"q": "dark mode", "limit": "100"}
    while True:
        page = (await workspace.live.get("/v1/features", params=params)).json()
        found += [one["title"] for one in page["data"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert sorted(found) == sorted(item["title"] for item in items)


async def test_no_more_than_a_thousand_candidates_are_ranked(workspace: Workspace) -> None:
    for start in (0, 1):
        items = [{"title": f"Plain {start} {n}"} for n in range(700)]
        await made(workspace.live, "/v1/features/batch", {"items": items})
    count, params = 0, {"q": "plain", "limit": "100"}
    while True:
        page = (await workspace.live.get("/v1/features", params=params)).json()
        count += len(page["data"])
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert count == 1_000


@pytest.mark.parametrize("typed", ["dokumen", "документ", "ανάλυ", "oauth", "api"])
async def test_a_beginning_is_found_in_every_alphabet(workspace: Workspace, typed: str) -> None:
    wanted = ("Dokumente", "Поиск документов", "Ανάλυση", "OAuth2 login", "Apiary")
    await features(workspace, *((title, "") for title in wanted))
    assert len(await titles(workspace, typed)) == 1


async def test_a_beginning_with_a_figure_is_found(workspace: Workspace) -> None:
    await features(workspace, ("2027Q1 goals", ""), ("Other", ""))
    assert await titles(workspace, "2027") == ["2027Q1 goals"]


@pytest.mark.parametrize("word", ["collaboration", "kanban", "prioritisation", "board"])
async def test_slips_of_every_kind_are_corrected(workspace: Workspace, word: str) -> None:
    """One letter wrong, left out, doubled or swapped, anywhere but in the first."""
    await features(workspace, (word, ""), ("Zebra", ""), ("Quokka", ""))
    dice = random.Random(7)
    for place in range(1, len(word) - 1):
        letter = dice.choice("aeioustr")
        for typed in (
            word[:place] + letter + word[place + 1 :],
            word[:place] + word[place + 1 :],
            word[:place] + word[place] + word[place:],
            word[:place] + word[place + 1] + word[place] + word[place + 2 :],
        ):
            assert await titles(workspace, typed) == [word], typed


async def test_a_slip_in_the_first_letter_is_corrected_too(workspace: Workspace) -> None:
    await features(workspace, ("Collaboration", ""), ("Kanban", ""))
    assert await titles(workspace, "vollaboration") == ["Collaboration"]
    assert await titles(workspace, "anban") == ["Kanban"]


@pytest.mark.parametrize("statement", [_KNOWN, _VOCABULARY], ids=["known", "near"])
async def test_the_vocabulary_is_never_read_whole(workspace: Workspace, stores: Stores, statement: Prepared) -> None:
    """Each look-up is a range of an index, which row-level security allows to what cannot leak alone."""
    async with stores.transaction(scope_of(workspace)) as tx:
        nodes = await plan_of(tx, statement)
    reads = [node for node in nodes if node.get("Relation Name") == "search_words"]
    assert len(reads) == 2
    for node in reads:
        assert "Index" in node["Node Type"]
        assert "word" in node["Index Cond"] or "ending" in node["Index Cond"]


async def test_a_common_word_costs_the_index_a_share_of_its_rows(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    items = [{"title": f"Dark mode {n}"} for n in range(1_000)]
    await made(workspace.live, "/v1/features/batch", {"items": items})
    shares = await owner.fetch(
        "SELECT word, ndoc FROM ts_stat('SELECT search FROM features') WHERE word ~ '^@.*/[0-9a-f]$'"
    )
    assert len(shares) == 16
    assert sum(row["ndoc"] for row in shares) == 1_000
    assert max(row["ndoc"] for row in shares) < 150
