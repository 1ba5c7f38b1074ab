"""PRDs over HTTP."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BeforeValidator

from api import json
from api.accounts.auth import CallerOf, WorkspaceRoute
from api.db import wire_id
from api.http.etags import IfMatch, fresh, not_modified
from api.http.negotiation import MARKDOWN, as_markdown_page, negotiated, prefers
from api.http.pagination import Listing, PageQuery
from api.http.reply import Reply, computed, created, one
from api.http.route import Tx, operation
from api.http.strict import written
from api.prds.lint import RULES, Report, lint, lint_reading
from api.prds.markdown import read
from api.prds.observe import observe
from api.prds.read import OBSERVATIONS, REVIEWS, VERSIONS, as_markdown, compare, document, exported, version
from api.prds.review import review
from api.prds.sarif import MEDIA_TYPE, sarif
from api.prds.schemas import (
    DiffQuery,
    DiffShown,
    LintMarkdown,
    LintOptions,
    LintShown,
    ObservationCreate,
    ObservationQuery,
    ObservationShown,
    OfPrdQuery,
    OpenQuestion,
    PrdCreate,
    PrdExportQuery,
    PrdId,
    PrdPatch,
    PrdQuery,
    PrdShown,
    QuestionCode,
    QuestionPatch,
    Requirement,
    RequirementCode,
    RequirementPatch,
    ReviewAnswered,
    ReviewCreate,
    ReviewShown,
    Risk,
    RulesShown,
    UserStory,
    VersionShown,
    VersionSummary,
)
from api.prds.write import PRD, append, create, revise, revise_item
from api.problems import invalid_field
from api.search.query import matches, understand

_PRDS = Listing(
    PRD.shape,
    filters=("status",),
    sources=(matches(PRD.table),),
)
_TEXT = {"schema": {"type": "string", "maxLength": 2_000_000}}
_AS_MARKDOWN: Any = {"responses": {"200": {"content": {"text/markdown": _TEXT}}}}
_AS_MARKDOWN_OR_JSON: Any = {
    "responses": {
        "200": {
            "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
            "content": {
                "text/markdown": _TEXT,
                "application/json": {"schema": {"type": "object", "description": "Task Master's tasks.json."}},
            },
        }
    }
}
_AS_SARIF: Any = {"responses": {"200": {"content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}}}

Number = Annotated[int, Path(ge=1, le=10**6, description="The version's number."), BeforeValidator(written)]

router = APIRouter(route_class=WorkspaceRoute, tags=["prds"])


@router.post("/prds", **operation("create_prd", scope="prds:write", returns=PrdShown, status=201))
async def create_prd(tx: Tx, prd: PrdCreate) -> Reply:
    """Draft a PRD. Requirements, metrics and questions get their ids."""
    prd_id, row = await create(tx, prd)
    return created(row["json"], f"/v1/prds/{wire_id('prd', prd_id)}", row["version"])


@router.get("/prds", **operation("list_prds", scope="prds:read", returns=PrdShown, many=True))
async def list_prds(tx: Tx, request: Request, query: Annotated[PrdQuery, Query()]) -> Reply:
    """PRDs, newest first."""
    given = (await understand(tx, query.q)).values if query.q is not None else {}
    return await _PRDS.page(tx, request, query, **given)


@router.get("/prds/rules", **operation("list_prd_rules", scope="prds:read", returns=RulesShown))
async def list_prd_rules() -> Reply:
    """The rules of the linter, with what each is about."""
    rules = [{"rule": name, **rule._asdict()} for name, rule in sorted(RULES.items())]
    return computed({"object": "list", "data": rules})


@router.post("/prds/lint", **operation("lint_markdown", scope="prds:read", returns=LintShown, **_AS_SARIF))
async def lint_markdown(request: Request, wanted: LintMarkdown) -> Response:
    """Lint a PRD in Markdown, or a piece of one such as a single story. Nothing is stored."""
    severities, baseline = _options(wanted)
    # In a thread: a hostile document of the largest size takes seconds, and the others must not wait for it.
    reading = await asyncio.to_thread(read, wanted.markdown)
    report = await asyncio.to_thread(lint_reading, reading, severities=severities, baseline=baseline)
    return _report(request, report, "prd.md")


@router.get("/prds/{id}", **operation("get_prd", scope="prds:read", returns=PrdShown, **_AS_MARKDOWN))
async def get_prd(tx: Tx, request: Request, id: PrdId) -> Response:
    """One PRD; with `Accept: text/markdown` as a document."""
    if not prefers(request, MARKDOWN):
        return negotiated(fresh(request, await PRD.read(tx, id)))
    row = await document(tx, id)
    return as_markdown_page(request, row["version"], as_markdown(row))


@router.patch("/prds/{id}", **operation("update_prd", scope="prds:write", returns=PrdShown))
async def update_prd(tx: Tx, id: PrdId, patch: PrdPatch, precondition: IfMatch) -> Reply:
    """Change a PRD by merge patch; `status` moves it on or back."""
    row = await revise(tx, id, patch, precondition)
    return one(row["json"], row["version"])


@router.post(
    "/prds/{id}/requirements", **operation("add_requirement", scope="prds:write", returns=PrdShown, status=201)
)
async def add_requirement(tx: Tx, id: PrdId, item: Requirement, precondition: IfMatch) -> Reply:
    """Add a requirement. Answers the PRD; the new one is the last."""
    return await _appended(tx, id, "requirements", item, precondition)


@router.patch("/prds/{id}/requirements/{code}", **operation("update_requirement", scope="prds:write", returns=PrdShown))
async def update_requirement(
    tx: Tx, id: PrdId, code: RequirementCode, patch: RequirementPatch, precondition: IfMatch
) -> Reply:
    """Change one requirement by merge patch: reword it, supersede it by another, or retire it."""
    row = await revise_item(tx, id, "requirements", code, patch, precondition)
    return one(row["json"], row["version"])


@router.post("/prds/{id}/stories", **operation("add_story", scope="prds:write", returns=PrdShown, status=201))
async def add_story(tx: Tx, id: PrdId, item: UserStory, precondition: IfMatch) -> Reply:
    """Add a user story. Answers the PRD."""
    return await _appended(tx, id, "user_stories", item, precondition)


@router.post("/prds/{id}/risks", **operation("add_risk", scope="prds:write", returns=PrdShown, status=201))
async def add_risk(tx: Tx, id: PrdId, item: Risk, precondition: IfMatch) -> Reply:
    """Add a risk. Answers the PRD."""
    return await _appended(tx, id, "risks", item, precondition)


@router.post("/prds/{id}/questions", **operation("add_question", scope="prds:write", returns=PrdShown, status=201))
async def add_question(tx: Tx, id: PrdId, item: OpenQuestion, precondition: IfMatch) -> Reply:
    """Ask an open question. Answers the PRD."""
    return await _appended(tx, id, "open_questions", item, precondition)


@router.patch("/prds/{id}/questions/{code}", **operation("update_question", scope="prds:write", returns=PrdShown))
async def update_question(tx: Tx, id: PrdId, code: QuestionCode, patch: QuestionPatch, precondition: IfMatch) -> Reply:
    """Change or answer an open question by merge patch."""
    row = await revise_item(tx, id, "open_questions", code, patch, precondition)
    return one(row["json"], row["version"])


@router.get(
    "/prds/{id}/versions", **operation("list_prd_versions", scope="prds:read", returns=VersionSummary, many=True)
)
async def list_prd_versions(tx: Tx, request: Request, id: PrdId, query: Annotated[OfPrdQuery, Query()]) -> Reply:
    """Every version, newest first."""
    return await _of_prd(tx, request, id, VERSIONS, query)


@router.get("/prds/{id}/versions/{number}", **operation("get_prd_version", scope="prds:read", returns=VersionShown))
async def get_prd_version(tx: Tx, id: PrdId, number: Number) -> Reply:
    """The PRD as it was. A version never changes."""
    return Reply((await version(tx, id, number))["json"])


@router.get("/prds/{id}/diff", **operation("diff_prd", scope="prds:read", returns=DiffShown))
async def diff_prd(tx: Tx, id: PrdId, query: Annotated[DiffQuery, Query()]) -> Reply:
    """What changed from one version to another, by meaning: requirements added, relaxed, tightened, removed."""
    return computed(await compare(tx, id, query.from_, query.to))


@router.post("/prds/{id}/reviews", **operation("review_prd", scope="prds:write", returns=ReviewAnswered, status=201))
async def review_prd(tx: Tx, id: PrdId, caller: CallerOf, given: ReviewCreate, precondition: IfMatch) -> Reply:
    """Review a PRD that is in review. The approval that makes the quorum approves it."""
    review_id, answer = await review(tx, id, given, caller.key_name, precondition)
    return created(json.dump(answer), f"/v1/prds/{wire_id('prd', id)}/reviews#{wire_id('rvw', review_id)}")


@router.get("/prds/{id}/reviews", **operation("list_prd_reviews", scope="prds:read", returns=ReviewShown, many=True))
async def list_prd_reviews(tx: Tx, request: Request, id: PrdId, query: Annotated[OfPrdQuery, Query()]) -> Reply:
    """Reviews, newest first."""
    return await _of_prd(tx, request, id, REVIEWS, query)


@router.post(
    "/prds/{id}/observations", **operation("observe_metric", scope="prds:write", returns=ObservationShown, status=201)
)
async def observe_metric(tx: Tx, id: PrdId, seen: ObservationCreate) -> Reply:
    """Say what a success metric was found to be."""
    observation_id, row = await observe(tx, id, seen)
    return created(row["json"], f"/v1/prds/{wire_id('prd', id)}/observations#{wire_id('obs', observation_id)}")


@router.get(
    "/prds/{id}/observations",
    **operation("list_prd_observations", scope="prds:read", returns=ObservationShown, many=True),
)
async def list_prd_observations(
    tx: Tx, request: Request, id: PrdId, query: Annotated[ObservationQuery, Query()]
) -> Reply:
    """Observations of its success metrics, newest first."""
    return await _of_prd(tx, request, id, OBSERVATIONS, query)


@router.post("/prds/{id}/lint", **operation("lint_prd", scope="prds:read", returns=LintShown, **_AS_SARIF))
async def lint_prd(tx: Tx, request: Request, id: PrdId, wanted: LintOptions | None = None) -> Response:
    """Lint a PRD."""
    row = await document(tx, id)
    severities, baseline = _options(wanted or LintOptions())
    report = await asyncio.to_thread(lint, row["title"], row["sections"], severities=severities, baseline=baseline)
    return _report(request, report, f"prds/{wire_id('prd', id)}")


@router.get("/prds/{id}/export", **operation("export_prd", scope="prds:read", **_AS_MARKDOWN_OR_JSON))
async def export_prd(tx: Tx, request: Request, id: PrdId, query: Annotated[PrdExportQuery, Query()]) -> Response:
    """The PRD as a document for people or agents. `Omitted-Sections` names what the format cannot hold."""
    row = await document(tx, id)
    if (unchanged := not_modified(request, row["version"])) is not None:
        return unchanged
    text, media_type, lost = exported(row, id, query.format)
    headers = {"ETag": f'"{row["version"]}"'} | ({"Omitted-Sections": ", ".join(lost)} if lost else {})
    return Response(text, 200, headers, media_type)


async def _appended(tx: Tx, prd_id: UUID, section: str, item: Any, precondition: IfMatch) -> Reply:
    row = await append(tx, prd_id, section, item.model_dump(), precondition)
    return created(row["json"], f"/v1/prds/{wire_id('prd', prd_id)}", row["version"])


async def _of_prd(tx: Tx, request: Request, prd_id: UUID, listing: Listing, query: PageQuery) -> Reply:
    await PRD.read(tx, prd_id)
    return await listing.page(tx, request, query.model_copy(update={"prd_id": prd_id}))


def _options(wanted: LintOptions) -> tuple[dict[str, str], frozenset[str]]:
    for name in wanted.rules:
        if name not in RULES:
            raise invalid_field(f"/rules/{name}", "is no rule; GET /v1/prds/rules lists them", "unknown_rule")
    return dict(wanted.rules), frozenset(wanted.baseline)


def _report(request: Request, report: Report, uri: str) -> Response:
    if prefers(request, MEDIA_TYPE):
        return Response(json.dump(sarif(report, uri)), media_type=MEDIA_TYPE)
    return computed(
        {
            "object": "lint_report",
            "passed": report.passed,
            "score": report.score,
            "findings": [asdict(finding) for finding in report.findings],
            "stories": [asdict(story) for story in report.stories],
            "suppressed": report.suppressed,
        }
    )
