"""Which operations are tools, and their schemas: flat JSON objects, made from the service's own contract.

Strict hosts refuse a schema whose top level is a choice (`anyOf`), so the properties of all choices stand side by side
there; the service itself says what does not go together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = dict[str, Any]
MOST_DEPTH = 12
# An argument of each tool that makes something, beside the fields of the operation.
KEY = "idempotency_key"
_KEY_SHAPE: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": "^[\\x21-\\x7e]+$",
    "description": "Only to repeat a call whose answer was lost: with the same key it happens once.",
}
_DROPPED = frozenset({"example", "examples", "discriminator", "xml", "externalDocs"})


@dataclass(frozen=True)
class Offer:
    """A tool before its contract is read. `only` narrows the body to these fields, `fixed` sets some for the caller."""

    name: str
    operation: str
    says: str
    only: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)


OFFERS = (
    Offer("search", "search", "Find features, PRDs and decisions by words."),
    Offer("prd_create", "create_prd", "Write a PRD: problem, stories, requirements, risks, metrics, release phases."),
    Offer("prd_get", "get_prd", "Read a PRD."),
    Offer("prd_update", "update_prd", "Change sections of a PRD; each change keeps a version."),
    Offer("prd_lint", "lint_prd", "Find what a PRD lacks or contradicts."),
    Offer("prd_review", "review_prd", "Approve a version of a PRD, or ask for changes."),
    Offer("decision_create", "create_decision", "Draft a decision with options, weighted criteria and ratings."),
    Offer("decision_get", "get_decision", "Read a decision with its totals, margin and flips."),
    Offer("decision_rate", "update_decision", "Set the ratings of a draft.", only=("ratings", "criteria", "options")),
    Offer("decision_tco", "compute_decision_tco", "Compare the total cost of a decision's options over the years."),
    Offer("decision_record", "record_decision", "Record what was chosen and why. It never changes after this."),
    Offer(
        "tradeoff_create",
        "create_decision",
        "Draft a trade-off: at most two of scope, time and quality are fixed.",
        fixed={"kind": "tradeoff"},
    ),
    Offer("tradeoff_compare", "get_decision", "Compare a trade-off's options: what is lost, beaten or flexible."),
    Offer("feature_create", "create_feature", "Make a feature."),
    Offer("feature_upsert", "upsert_feature", "Create or update a feature by its name in another tool."),
    Offer("feature_list", "list_features", "List features."),
    Offer("score_set", "create_score", "Score a feature by RICE, ICE, WSJF or another framework; computed exactly."),
    Offer("score_simulate", "simulate_roadmap", "Simulate doubt in the scores: P5, P50, P95 and chances of each rank."),
    Offer("roadmap_get", "get_roadmap", "The current ranking with its cut line."),
    Offer(
        "roadmap_reprioritize", "reprioritize", "Rank by the latest scores. With dry_run it only tells what would move."
    ),
    Offer("roadmap_plan", "plan_roadmap", "What fits a capacity: by score, and the exact optimum."),
    Offer("scope_cut", "plan_roadmap", "Cut the scope to a capacity, by value: what is in, what is out."),
    Offer("release_phase_set", "update_prd", "Set the release phases of a PRD.", only=("release_phases",)),
    Offer("spike_request", "create_spike", "Ask for a time-boxed investigation of one question."),
    Offer("spike_start", "start_spike", "Start a spike's clock."),
    Offer("spike_conclude", "conclude_spike", "Conclude a spike: feasibility, estimate, risks, recommendation."),
    Offer("debt_create", "create_debt", "Write down a technical debt with its cost and benefit."),
    Offer("debt_update", "update_debt", "Change a debt."),
    Offer("debt_payback", "get_debt", "When a debt pays back, and the verdict with its reasons."),
    Offer("debt_pitch", "pitch_debt", "The case for paying a debt, for stakeholders."),
    Offer("api_metrics", "get_api_metrics", "The API's adoption, error rate, latency and webhook success."),
    Offer("api_usage", "get_usage", "Calls by day, operation, key or status."),
    Offer("deprecation_list", "list_deprecations", "What of the API is deprecated, until when."),
    Offer("surface_mix", "get_allocation", "How effort is spread: product, technical, innovation, against targets."),
    Offer("integration_list", "list_endpoints", "Who listens: the webhook endpoints."),
    Offer("metric_define", "update_prd", "Define the success metrics of a PRD.", only=("success_metrics",)),
    Offer("metric_observe", "observe_metric", "Record what a success metric is now."),
    Offer("metric_status", "list_prd_observations", "Where a PRD's metrics stand against their targets."),
    Offer("endpoint_create", "create_endpoint", "Subscribe a URL to event types."),
    Offer("event_list", "list_events", "What happened, newest first."),
    Offer("delivery_list", "list_deliveries", "Which webhooks arrived, and which did not."),
    Offer("inbox_get", "get_inbox", "The address of the built-in receiver."),
    Offer("inbox_messages", "list_inbox_messages", "Webhooks that arrived at the built-in receiver."),
    Offer("tutorial_get", "get_tutorial", "The way from the first key to a recorded decision, and what is done of it."),
)


@dataclass(frozen=True)
class Tool:
    """A tool and the request behind it: `in_path` and `in_query` name arguments, all others are fields of the body."""

    name: str
    description: str
    schema: Schema
    method: str
    path: str
    in_path: frozenset[str]
    in_query: frozenset[str]
    takes_body: bool
    fixed: Mapping[str, Any]

    @property
    def takes_key(self) -> bool:
        """A PATCH or PUT sent twice gives the same; a POST does with a key."""
        return self.method == "POST"

    @property
    def reads_only(self) -> bool:
        return self.method == "GET"


def tools_of(document: Schema) -> dict[str, Tool]:
    """The tools that this contract has the operations for, by name."""
    operations = {spec["operationId"]: (method, path, item, spec) for method, path, item, spec in _operations(document)}
    found = {}
    for offer in OFFERS:
        if offer.operation in operations:
            found[offer.name] = _tool(document, offer, *operations[offer.operation])
    return found


def _operations(document: Schema) -> Iterator[tuple[str, str, Schema, Schema]]:
    for path, item in document["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method in item:
                yield method.upper(), path, item, item[method]


def _tool(document: Schema, offer: Offer, method: str, path: str, item: Schema, spec: Schema) -> Tool:
    parameters = [_resolved(document, one) for one in [*item.get("parameters", []), *spec.get("parameters", [])]]
    placed = {one["name"]: one for one in parameters if one["in"] in ("path", "query")}
    properties = {name: _parameter(document, one) for name, one in placed.items()}
    required = [name for name, one in placed.items() if one.get("required")]
    body = _body(document, spec)
    for name, shape in body.get("properties", {}).items():
        if name not in offer.fixed and (not offer.only or name in offer.only):
            properties[name] = shape
            required += [name] if name in body.get("required", []) else []
    if method == "POST":
        properties[KEY] = _KEY_SHAPE
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return Tool(
        name=offer.name,
        description=offer.says,
        schema=schema | ({"required": required} if required else {}),
        method=method,
        path=path,
        in_path=frozenset(name for name, one in placed.items() if one["in"] == "path"),
        in_query=frozenset(name for name, one in placed.items() if one["in"] == "query"),
        takes_body="requestBody" in spec,
        fixed=offer.fixed,
    )


def _parameter(document: Schema, parameter: Schema) -> Schema:
    schema: Schema = _inlined(document, parameter["schema"])
    described = {"description": parameter["description"]} if "description" in parameter else {}
    return schema | described


def _body(document: Schema, spec: Schema) -> Schema:
    """The body as one object; of several choices all properties, and what each of them requires."""
    content = spec.get("requestBody", {}).get("content", {})
    if not content:
        return {}
    schema: Schema = _inlined(document, next(iter(content.values()))["schema"])
    choices = [one for word in ("anyOf", "oneOf") for one in schema.get(word, []) if "properties" in one]
    if not choices:
        return schema
    properties: Schema = {}
    for choice in reversed(choices):
        properties |= choice["properties"]
    required = set.intersection(*(set(choice.get("required", [])) for choice in choices))
    return {"type": "object", "properties": properties, "required": sorted(required)}


def _inlined(document: Schema, node: Any, depth: int = 0) -> Any:
    """With every reference replaced by what it refers to: hosts resolve none. Deeper than anybody writes it is open."""
    if isinstance(node, list):
        return [_inlined(document, one, depth) for one in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        if depth >= MOST_DEPTH:
            return {}
        beside = {name: value for name, value in node.items() if name != "$ref"}
        inner: Schema = _inlined(document, _resolved(document, {"$ref": node["$ref"]}), depth + 1)
        return inner | beside
    return {name: _inlined(document, value, depth) for name, value in node.items() if name not in _DROPPED}


def _resolved(document: Schema, node: Schema) -> Schema:
    while "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node
