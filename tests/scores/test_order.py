"""Features by score: in order, exactly, and out of an index however deep the page is."""

from api.browse.features import _FEATURES
from api.features.write import _NEEDED_BY
from api.stores import Stores
from tests.support.plans import plan_of, scope_of
from tests.support.workspace import Workspace, made


async def _scored(workspace: Workspace, *efforts: str) -> None:
    rows = "".join(f"Feature {n:03},1000,1,1,{effort}\n" for n, effort in enumerate(efforts))
    await made(workspace.live, "/v1/imports", {"content": "Title,Reach,Impact,Confidence,Effort\n" + rows})


async def test_pages_by_score_go_on_where_the_one_before_ended(workspace: Workspace) -> None:
    """Equal scores are ordered by id, whichever way."""
    await _scored(workspace, *(str(1 + n % 7) for n in range(60)))
    for sort in ("-score", "score"):
        found, params = [], {"sort": sort, "limit": "7", "expand": "latest_score"}
        while True:
            page = (await workspace.live.get("/v1/features", params=params)).json()
            found += [(one["latest_score"]["value"], one["id"]) for one in page["data"]]
            if page["next_cursor"] is None:
                break
            params["cursor"] = page["next_cursor"]
        assert len(found) == 60
        assert found == sorted(found, reverse=sort == "-score")


async def test_scores_that_are_one_float_are_still_ordered_exactly(workspace: Workspace) -> None:
    """The last digits of a decimal are beyond what a float holds."""
    for name, reach in (
        ("more", "100000000000.000002"),
        ("less", "100000000000.000001"),
        ("most", "100000000000.000003"),
    ):
        rows = f"Title,Reach,Impact,Confidence,Effort\n{name},{reach},1,1,1\n"
        await made(workspace.live, "/v1/imports", {"content": rows})
    titles, params = [], {"sort": "-score", "limit": "1"}
    for _ in range(3):
        page = (await workspace.live.get("/v1/features", params=params)).json()
        titles += [one["title"] for one in page["data"]]
        params["cursor"] = page["next_cursor"]
    assert titles == ["most", "more", "less"]


async def test_first_and_deep_pages_by_score_begin_in_the_index_and_sort_nothing(
    workspace: Workspace, stores: Stores
) -> None:
    async with stores.transaction(scope_of(workspace)) as tx:
        for sort in ("-score", "score"):
            for after in (False, True):
                nodes = await plan_of(tx, _FEATURES.statement({}, (sort,), after, limit=20))
                kinds = {node["Node Type"] for node in nodes}
                assert not kinds & {"Seq Scan", "Sort", "Incremental Sort"}, kinds
                [read] = [node for node in nodes if node.get("Index Name") == "ix_latest_scores_place"]
                assert ("place" in read["Index Cond"]) == after


async def test_who_depends_on_a_feature_is_asked_of_those_that_depend_on_some(
    workspace: Workspace, stores: Stores
) -> None:
    async with stores.transaction(scope_of(workspace)) as tx:
        nodes = await plan_of(tx, _NEEDED_BY)
    assert [node["Index Name"] for node in nodes if "Index Name" in node] == ["ix_features_dependent"]
