"""The roadmap over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api import json
from api.accounts.auth import CallerOf, WorkspaceRoute
from api.accounts.tenancy import one
from api.db import wire_id
from api.features.schemas import FeatureId
from api.http.etags import IfMatch, IfMatchOrNone, fresh, not_modified
from api.http.pagination import Listing, PageQuery
from api.http.reply import Reply, computed, created, no_content
from api.http.reply import one as reply_of_one
from api.http.representation import Representation
from api.http.route import Tx, operation
from api.roadmap.decide import ITEM, OVERRIDE, clear_override, override, place, take_off
from api.roadmap.models import RoadmapView
from api.roadmap.plan import planned
from api.roadmap.policy import policy, write_policy
from api.roadmap.publish import VIEW_BY_ID, publish
from api.roadmap.read import REVISION_BY_ID, REVISIONS, actual_allocation, current, diff, ranking_page
from api.roadmap.reprioritize import reprioritize
from api.roadmap.scenarios import SCENARIO, draft, drop, promote, scenario_diff
from api.roadmap.schemas import (
    AllocationQuery,
    AllocationShown,
    DiffQuery,
    DiffShown,
    ItemQuery,
    ItemShown,
    ItemWrite,
    OverrideShown,
    OverrideWrite,
    PlanRequest,
    PlanShown,
    PolicyShown,
    PolicyWrite,
    Promote,
    Ranked,
    Reprioritize,
    RevisionId,
    RevisionQuery,
    RevisionShown,
    RevisionSummary,
    RoadmapShown,
    ScenarioCreate,
    ScenarioDiffShown,
    ScenarioId,
    ScenarioQuery,
    ScenarioShown,
    Simulate,
    SimulationShown,
    ViewCreate,
    ViewId,
    ViewShown,
    ViewSummary,
)
from api.roadmap.simulate import simulated

_OVERRIDES = Listing(OVERRIDE)
_ITEMS = Listing(ITEM, filters=("horizon", "team"))
_SCENARIOS = Listing(SCENARIO.shape, filters=("status",))
_VIEWS = Listing(Representation(ViewSummary, RoadmapView.__table__, "roadmap_view"))

router = APIRouter(route_class=WorkspaceRoute, tags=["roadmap"])


@router.get("/roadmap", **operation("get_roadmap", scope="roadmap:read", returns=RoadmapShown))
async def get_roadmap(tx: Tx) -> Reply:
    """The current ranking, with each feature as it is now, the cut line and the allocation."""
    return Reply(await current(tx))


@router.post("/roadmap/reprioritize", **operation("reprioritize", scope="roadmap:write", returns=RevisionShown))
async def post_reprioritize(tx: Tx, caller: CallerOf, wanted: Reprioritize | None = None) -> Reply:
    """Rank all open features by their latest scores. Told to subscribers when something moved."""
    return Reply(await reprioritize(tx, caller, wanted or Reprioritize()))


@router.get(
    "/roadmap/revisions",
    **operation("list_roadmap_revisions", scope="roadmap:read", returns=RevisionSummary, many=True),
)
async def list_revisions(tx: Tx, request: Request, query: Annotated[RevisionQuery, Query()]) -> Reply:
    """Every reprioritisation, newest first."""
    return await REVISIONS.page(tx, request, query)


@router.get("/roadmap/revisions/{id}", **operation("get_roadmap_revision", scope="roadmap:read", returns=RevisionShown))
async def get_revision(tx: Tx, id: RevisionId) -> Reply:
    """One revision, byte for byte as it was given."""
    return Reply((await one(tx, REVISION_BY_ID, id, "roadmap revision", "rev"))["json"])


@router.get(
    "/roadmap/revisions/{id}/ranking",
    **operation("list_revision_ranking", scope="roadmap:read", returns=Ranked, many=True),
)
async def list_ranking(tx: Tx, request: Request, id: RevisionId, query: Annotated[PageQuery, Query()]) -> Reply:
    """The whole ranking of a revision, as it was, in pages: best first."""
    return await ranking_page(tx, request, id, query)


@router.get(
    "/roadmap/revisions/{id}/diff", **operation("diff_roadmap_revisions", scope="roadmap:read", returns=DiffShown)
)
async def get_diff(tx: Tx, id: RevisionId, query: Annotated[DiffQuery, Query()]) -> Reply:
    """The moves to this revision from an earlier one, the one before it unless `against` names another."""
    return computed(await diff(tx, id, query.against))


@router.post("/roadmap/simulate", **operation("simulate_roadmap", scope="roadmap:read", returns=SimulationShown))
async def post_simulate(tx: Tx, wanted: Simulate | None = None) -> Reply:
    """What doubt does to the ranking: P5, P50 and P95, the probability of each rank, and where a spike pays.

    Seeded by a hash of the inputs: the same answer every time. Nothing is kept.
    """
    return computed(await simulated(tx, wanted or Simulate()))


@router.post("/roadmap/plan", **operation("plan_roadmap", scope="roadmap:read", returns=PlanShown))
async def post_plan(tx: Tx, wanted: PlanRequest) -> Reply:
    """What fits into the capacity: by rank, and at best under shares, dependencies and fixed items. Nothing is kept."""
    return computed(await planned(tx, wanted))


@router.get("/roadmap/allocation", **operation("get_allocation", scope="roadmap:read", returns=AllocationShown))
async def get_allocation(tx: Tx, query: Annotated[AllocationQuery, Query()]) -> Reply:
    """Effort by bucket against the targets (70/20/10 unless the policy says otherwise), and what to add."""
    return computed(await actual_allocation(tx, query))


@router.get("/roadmap/policy", **operation("get_roadmap_policy", scope="roadmap:read", returns=PolicyShown))
async def get_policy(tx: Tx, request: Request) -> Response:
    """The rules in force: targets, capacity, churn limit, freeze."""
    rules = await policy(tx)
    shown = json.dump(rules.shown(tx.scope.livemode))
    return not_modified(request, rules.version) or reply_of_one(shown, rules.version)


@router.put("/roadmap/policy", **operation("set_roadmap_policy", scope="roadmap:write", returns=PolicyShown))
async def put_policy(tx: Tx, given: PolicyWrite, precondition: IfMatch) -> Reply:
    """Replace the rules."""
    rules = await write_policy(tx, given, precondition)
    return reply_of_one(json.dump(rules.shown(tx.scope.livemode)), rules.version)


@router.get("/roadmap/overrides", **operation("list_overrides", scope="roadmap:read", returns=OverrideShown, many=True))
async def list_overrides(tx: Tx, request: Request, query: Annotated[PageQuery, Query()]) -> Reply:
    """Ranks set by hand, newest first, those that have expired too."""
    return await _OVERRIDES.page(tx, request, query)


@router.put(
    "/roadmap/overrides/{feature_id}", **operation("set_override", scope="roadmap:write", returns=OverrideShown)
)
async def put_override(
    tx: Tx, caller: CallerOf, feature_id: FeatureId, given: OverrideWrite, precondition: IfMatchOrNone
) -> Reply:
    """Set a feature's rank by hand, from the next reprioritisation on. The computed rank stays beside it."""
    row = await override(tx, caller, feature_id, given, precondition)
    return reply_of_one(row["json"], row["version"])


@router.delete("/roadmap/overrides/{feature_id}", **operation("clear_override", scope="roadmap:write", status=204))
async def delete_override(tx: Tx, feature_id: FeatureId, precondition: IfMatch) -> Response:
    """Let the score alone place the feature again."""
    await clear_override(tx, feature_id, precondition)
    return no_content()


@router.get("/roadmap/items", **operation("list_roadmap_items", scope="roadmap:read", returns=ItemShown, many=True))
async def list_items(tx: Tx, request: Request, query: Annotated[ItemQuery, Query()]) -> Reply:
    """Features with a horizon, newest first."""
    return await _ITEMS.page(tx, request, query)


@router.put("/roadmap/items/{feature_id}", **operation("set_roadmap_item", scope="roadmap:write", returns=ItemShown))
async def put_item(tx: Tx, feature_id: FeatureId, given: ItemWrite, precondition: IfMatchOrNone) -> Reply:
    """Say when a feature is meant to come, and whose work it is."""
    row = await place(tx, feature_id, given, precondition)
    return reply_of_one(row["json"], row["version"])


@router.delete("/roadmap/items/{feature_id}", **operation("delete_roadmap_item", scope="roadmap:write", status=204))
async def delete_item(tx: Tx, feature_id: FeatureId, precondition: IfMatch) -> Response:
    """Forget the horizon of a feature."""
    await take_off(tx, feature_id, precondition)
    return no_content()


@router.post("/roadmap/views", **operation("publish_view", scope="roadmap:write", returns=ViewShown, status=201))
async def create_view(tx: Tx, caller: CallerOf, given: ViewCreate) -> Reply:
    """Publish the current roadmap by horizon. Readers of the view see it as it was, whatever changes later."""
    view_id, text = await publish(tx, caller, given)
    return created(text, f"/v1/roadmap/views/{wire_id('view', view_id)}")


@router.get("/roadmap/views", **operation("list_views", scope="roadmap:read", returns=ViewSummary, many=True))
async def list_views(tx: Tx, request: Request, query: Annotated[PageQuery, Query()]) -> Reply:
    """Published views, newest first."""
    return await _VIEWS.page(tx, request, query)


@router.get("/roadmap/views/{id}", **operation("get_view", scope="roadmap:read", returns=ViewShown))
async def get_view(tx: Tx, id: ViewId) -> Reply:
    """One view, byte for byte as it was published."""
    return Reply((await one(tx, VIEW_BY_ID, id, "roadmap view", "view"))["json"])


@router.post(
    "/roadmap/scenarios", **operation("create_scenario", scope="roadmap:write", returns=ScenarioShown, status=201)
)
async def create_scenario(tx: Tx, caller: CallerOf, given: ScenarioCreate) -> Reply:
    """Keep a what-if beside the roadmap: changed inputs, weights or capacity."""
    scenario_id, text = await draft(tx, caller, given)
    return created(text, f"/v1/roadmap/scenarios/{wire_id('scen', scenario_id)}", 1)


@router.get("/roadmap/scenarios", **operation("list_scenarios", scope="roadmap:read", returns=ScenarioShown, many=True))
async def list_scenarios(tx: Tx, request: Request, query: Annotated[ScenarioQuery, Query()]) -> Reply:
    """Scenarios, newest first."""
    return await _SCENARIOS.page(tx, request, query)


@router.get("/roadmap/scenarios/{id}", **operation("get_scenario", scope="roadmap:read", returns=ScenarioShown))
async def get_scenario(tx: Tx, request: Request, id: ScenarioId) -> Response:
    """One scenario."""
    return fresh(request, await SCENARIO.read(tx, id))


@router.delete("/roadmap/scenarios/{id}", **operation("delete_scenario", scope="roadmap:write", status=204))
async def delete_scenario(tx: Tx, id: ScenarioId, precondition: IfMatch) -> Response:
    """Delete a scenario. What it promoted stays."""
    await drop(tx, id, precondition)
    return no_content()


@router.get(
    "/roadmap/scenarios/{id}/diff", **operation("diff_scenario", scope="roadmap:read", returns=ScenarioDiffShown)
)
async def get_scenario_diff(tx: Tx, caller: CallerOf, id: ScenarioId) -> Reply:
    """The roadmap as the scenario would have it, against the base as it is now. Nothing is kept."""
    return computed(await scenario_diff(tx, caller, id))


@router.post(
    "/roadmap/scenarios/{id}/promote", **operation("promote_scenario", scope="roadmap:write", returns=RevisionShown)
)
async def post_promote(
    tx: Tx, caller: CallerOf, id: ScenarioId, precondition: IfMatch, given: Promote | None = None
) -> Reply:
    """Make the scenario the roadmap, with the very ranking that its diff showed."""
    return Reply(await promote(tx, caller, id, given or Promote(), precondition))
