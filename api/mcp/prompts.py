"""The guide's ten command shortcuts as prompts. Each names the tools that do its work."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shortcut:
    """`text` is what the model is told; `{topic}` is what the person asked about."""

    name: str
    shortcut: str
    description: str
    text: str


SHORTCUTS = (
    Shortcut(
        "prd", "#prd", "Write a PRD",
        "Write a PRD about {topic}. Ask for what you do not know: the problem and its evidence, who it is for, what "
        "success is. Create it with prd_create: problem, user stories, functional and non-functional requirements with "
        "numbers, approach, risks, success metrics with a baseline and a date, release phases, open questions. Then "
        "call prd_lint, mend each finding with prd_update, and tell what stays open.",
    ),
    Shortcut(
        "build_vs_buy", "#buildvsbuy", "Build or buy",
        "Work out whether to build or buy {topic}. Draft it with decision_create (kind build_vs_buy): options, "
        "criteria whose weights add up to 1, ratings from 1 to 10. Compare costs with decision_tco, upkeep included. "
        "Tell the totals, the margin and what would flip it; the service computes them. Ask before decision_record.",
    ),
    Shortcut(
        "rice", "#rice", "Score and rank",
        "Score {topic} by RICE. Make each feature with feature_upsert or feature_create, then score_set with reach for "
        "a period, impact on the scale, confidence from 0 to 1 and effort in months. Never compute the score yourself. "
        "Call roadmap_reprioritize with dry_run and show what would move, score_simulate for how sure it is, and rank "
        "for real only when you are told to.",
    ),
    Shortcut(
        "spike", "#spike", "Ask for a spike",
        "Ask for a spike about {topic}: one question that can be answered, a timebox in days, an owner: spike_request. "
        "When it ends conclude it with feasibility, an estimate as a range, risks and advice (spike_conclude).",
    ),
    Shortcut(
        "tradeoff", "#tradeoff", "Weigh a trade-off",
        "Lay out the trade-off about {topic} with tradeoff_create: at most two of scope, time and quality are fixed, "
        "and at least two options say what each keeps and loses. Compare them with tradeoff_compare, name options that "
        "another beats on all counts, and record with decision_record only what a person chose.",
    ),
    Shortcut(
        "mvp", "#mvp", "Cut to an MVP",
        "Find the smallest release of {topic} that is worth having. Read the PRD (prd_get), cut the scope to the "
        "capacity with scope_cut, check that each functional requirement of the MVP is met by it, and write the phases "
        "with release_phase_set. Tell what was cut and what that costs.",
    ),
    Shortcut(
        "tech_debt", "#tech-debt", "Make the case for a debt",
        "Make the case for paying down {topic}. Write it down with debt_create: effort in months, cost, and a benefit "
        "a month in money, which has to come from somewhere. Read when it pays back (debt_payback), and the pitch "
        "(debt_pitch). If it does not pay back within six months, say so.",
    ),
    Shortcut(
        "api_product", "#api", "The API as a product",
        "Look at the API as a product, about {topic}. Read api_metrics (errors under 1 %, p95 under 200 ms, time to "
        "first call under five minutes), api_usage and deprecation_list. Tell what misses its target, who still calls "
        "what is deprecated, and what to do first.",
    ),
    Shortcut(
        "platform", "#platform", "Product and platform",
        "Look at {topic} as a platform: how effort is spread (surface_mix), who integrates (integration_list), whether "
        "webhooks arrive (delivery_list, api_metrics). Tell which platform feature would help most integrations.",
    ),
    Shortcut(
        "metrics", "#metrics", "Define and follow metrics",
        "Define how the success of {topic} is measured: for each metric what is counted, the baseline, the target and "
        "the date (metric_define). Record values with metric_observe, and tell where each stands with metric_status.",
    ),
)  # fmt: skip
BY_NAME = {one.name: one for one in SHORTCUTS}
