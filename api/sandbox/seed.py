"""The guide's own examples in a sandbox, written by the same verbs as everyone's.

The guide prints six wrong figures: what its inputs give is stored, and each difference is told.
"""

from typing import Any

from sqlalchemy import bindparam, func, select

from api import json
from api.accounts.auth import Caller
from api.accounts.tenancy import owned
from api.decisions.models import Decision
from api.features.batch import write_external
from api.features.models import Feature
from api.features.schemas import FeatureContent
from api.http.etags import ANY
from api.imports.bring import bring
from api.imports.guide import DECISION_MATRIX_MARKDOWN, PRD, RICE_TABLE_MARKDOWN
from api.imports.schemas import ImportCreate
from api.prds.models import Prd
from api.prds.schemas import PrdCreate
from api.prds.write import create as create_prd
from api.problems import Invalid
from api.roadmap.reprioritize import reprioritize
from api.roadmap.schemas import Reprioritize
from api.sandbox.reset import check_sandbox
from api.stores import Prepared, Transaction
from api.webhooks.models import Endpoint
from api.webhooks.schemas import EndpointCreate
from api.webhooks.sealing import Sealer
from api.webhooks.subscribe import subscribe
from api.webhooks.targets import TargetPolicy

BUCKETS = {"Performance (50% faster)": "technical"}
DECISION_TITLE = "Build or buy real-time collaboration"
SOURCE = "guide"
_FEATURES = Prepared(
    select(Feature.title, Feature.external_id).where(owned(Feature), Feature.source == SOURCE).limit(100)
)
_COUNTS = {
    name: Prepared(select(func.count()).where(owned(table), table.title == bindparam("title")))
    for name, table in (("decisions", Decision), ("prds", Prd))
}
_ENDPOINT = Prepared(select(Endpoint.id).where(owned(Endpoint), Endpoint.url == bindparam("url")).limit(1))


async def seed(tx: Transaction, caller: Caller, policy: TargetPolicy, sealer: Sealer, inbox_url: str) -> dict[str, Any]:
    """The RICE table with its scores, the build-vs-buy matrix, the PRD, a ranking, and an endpoint: the inbox.

    Raises SandboxOnly for a live key.
    """
    check_sandbox(tx)
    endpoint_url = await _point_at_the_inbox(tx, policy, sealer, inbox_url)
    table = ImportCreate(format="markdown", content=RICE_TABLE_MARKDOWN, source=SOURCE)
    report = [*await _bring(tx, caller, table, "RICE table"), *await _bring_decision(tx, caller)]
    features = await tx.all(_FEATURES)
    for feature in features:
        bucket = BUCKETS.get(feature["title"], "product")
        content = FeatureContent(title=feature["title"], bucket=bucket, labels=[SOURCE])
        await write_external(tx, SOURCE, feature["external_id"], content, ANY)
    if not await tx.value(_COUNTS["prds"], title=PRD["title"]):
        await create_prd(tx, PrdCreate.model_validate(guide_prd()))
    await reprioritize(tx, caller, Reprioritize(framework="rice", reason="The guide's table, recomputed"))
    counts = {
        "decisions": await tx.value(_COUNTS["decisions"], title=DECISION_TITLE),
        "prds": await tx.value(_COUNTS["prds"], title=PRD["title"]),
    }
    told = {"endpoint_url": endpoint_url, "discrepancies": report}
    return {"object": "sandbox_seed", "features": len(features), **counts, **told}


def guide_prd() -> dict[str, Any]:
    """The guide's PRD as POST /v1/prds takes it."""
    return {
        "title": PRD["title"],
        "problem": f"{PRD['problem']['statement']}\n\n{PRD['problem']['current_flow']}",
        "solution": PRD["solution"],
        "user_stories": [{"text": f"As a {story['as_a']}, I can {story['i_can']}"} for story in PRD["user_stories"]],
        "requirements": [
            *({"kind": "functional", "text": row["text"]} for row in PRD["functional"]),
            *({"kind": row["kind"], "text": row["text"]} for row in PRD["non_functional"]),
        ],
        "approach": PRD["approach"]["architecture"],
        "stack": [{"layer": row["layer"], "technology": row["tech"]} for row in PRD["approach"]["stack"]],
        "rationale": "\n".join(f"{row['choice']}: {row['because']}" for row in PRD["approach"]["rationale"]),
        "risks": PRD["risks"],
        "success_metrics": [
            {"category": row["category"], "text": f"{row['metric']} {row['op']} {row['target']} {row['unit']}"}
            for row in PRD["success_metrics"]
        ],
        "release_phases": [
            {"name": row["name"], "scope": row["scope"], "weeks": row["weeks"]} for row in PRD["release_plan"]
        ],
        "open_questions": [{"text": question} for question in PRD["open_questions"]],
    }


async def _point_at_the_inbox(tx: Transaction, policy: TargetPolicy, sealer: Sealer, url: str) -> str | None:
    """Before anything happens, so that the inbox is told of it. None where webhooks may not go there."""
    if await tx.value(_ENDPOINT, url=url) is None:
        try:
            await subscribe(tx, policy, sealer, EndpointCreate(url=url, event_types=["*"], description="The inbox"))
        except Invalid:
            return None
    return url


async def _bring_decision(tx: Transaction, caller: Caller) -> list[str]:
    matrix = ImportCreate(format="markdown", content=DECISION_MATRIX_MARKDOWN, title=DECISION_TITLE)
    return await _bring(tx, caller, matrix, "build-vs-buy matrix")


async def _bring(tx: Transaction, caller: Caller, given: ImportCreate, where: str) -> list[str]:
    report = json.load(await bring(tx, caller, given))
    return [
        f"{where}, line {row['line']}, {row['field']}: printed {row['printed']}, recomputed {row['computed']}"
        for row in report["discrepancies"]
    ]
