"""Sections of one PRD that do not agree with each other. Pure."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal

from api.prds.measure import Measure, comparable, measures

Row = Mapping[str, Any]
Told = tuple[str, str, str]

MOST_PHASES = 20
MOST_SCOPES = 20

RULES: dict[str, tuple[Literal["error", "warning", "note"], str]] = {
    "choice-not-in-stack": ("error", "The chosen option is not what the technology stack is made of."),
    "algorithm-conflict": ("error", "Two sections name techniques that exclude each other."),
    "encryption-conflict": ("error", "End-to-end encryption stands beside a server that reads the data."),
    "phase-defers-requirement": ("warning", "A requirement without a phase comes only after the first release."),
    "fallback-breaks-story": ("error", "The fallback of a risk breaks what a story promises."),
    "scale-not-required": ("warning", "A risk fears a load that no requirement asks for."),
    "duplicated-target": ("warning", "The same target is stated in more than one place."),
    "trigger-at-expected-cost": ("warning", "The trigger to look again fires at the cost that is expected anyway."),
}


def check(sections: Row) -> Iterator[Told]:
    """(rule, JSON pointer, message) of each contradiction."""
    for rule in (_choice, _algorithms, _encryption, _phases, _fallbacks, _scale, _duplicates, _trigger):
        yield from rule(sections)


# --- The chosen option and the stack ----------------------------------------------------------------------------------

_GENERIC = frozenset(
    re.findall(
        r"[a-z]+",
        "build buy custom own oss open source saas vendor in house self hosted managed the and with",
    )
)


def _choice(sections: Row) -> Iterator[Told]:
    options = (sections.get("build_vs_buy") or {}).get("options") or []
    stack = " ".join(f"{row['technology']} {row.get('role') or ''}" for row in sections.get("stack") or []).lower()
    chosen = [option for option in options if option.get("verdict") == "chosen"]
    if not stack or len(chosen) != 1 or not (names := _names(chosen[0])):
        return
    if any(_word(name, stack) for name in names):
        return
    others = [option for option in options if option is not chosen[0]]
    used = next((option["name"] for option in others if any(_word(name, stack) for name in _names(option))), None)
    place = options.index(chosen[0])
    built = f"built on {used}, another option" if used else "not built on it"
    message = f"{chosen[0]['name']} is chosen, and the technology stack is {built}. Make one follow the other."
    yield "choice-not-in-stack", f"/build_vs_buy/options/{place}", message


def _names(option: Row) -> list[str]:
    words = re.findall(r"[a-z][a-z0-9.]{2,}", str(option["name"]).lower())
    return [word for word in words if word not in _GENERIC]


def _word(name: str, text: str) -> bool:
    return re.search(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])", text) is not None


# --- Techniques that exclude each other -------------------------------------------------------------------------------

_PAIRS = (
    ("OT", r"\bOT\b|(?i:operational[- ]transform)", "CRDT", r"\bCRDTs?\b|(?i:\byjs\b|\bautomerge\b)"),
    ("at-least-once", r"(?i:at[- ]least[- ]once)", "exactly-once", r"(?i:exactly[- ]once)"),
    ("offset pagination", r"(?i:offset[- ]pagination|offset=\d)", "cursor pagination", r"(?i:cursor[- ]pagination)"),
    ("strong consistency", r"(?i:strong[- ]consistency)", "eventual consistency", r"(?i:eventual[- ]consistency)"),
)


def _algorithms(sections: Row) -> Iterator[Told]:
    places = [(f"/requirements/{place}", row["text"]) for place, row in _active(sections)]
    places.append(("/architecture", sections.get("architecture") or ""))
    stack = [f"{row['technology']} {row.get('role') or ''}" for row in sections.get("stack") or []]
    reasons = [str(row.get("choice") or "") for row in sections.get("rationale") or []]
    built = " / ".join([*stack, *reasons])
    for first, one, second, other in _PAIRS:
        for name, pattern, opposite, against in ((first, one, second, other), (second, other, first, one)):
            if not re.search(against, built) or re.search(pattern, built):
                continue
            for pointer, text in places:
                if re.search(pattern, text) and not re.search(against, text):
                    message = f"This says {name}, and the approach is built on {opposite}. They exclude each other."
                    yield "algorithm-conflict", pointer, message


# --- End-to-end encryption --------------------------------------------------------------------------------------------

_SECRET = re.compile(r"\bend[- ]to[- ]end encrypt|\bE2EE\b|\bzero[- ]knowledge\b", re.IGNORECASE)
_SERVER_READS = re.compile(
    r"\b(?:operational transform|merge|transform|ranking|search|conflict resolution) (?:engine|server|service)\b"
    r"|\bserver[- ]side (?:merg|search|index|render|analy|conflict)\w*|\bcollab(?:oration)? server\b"
    r"|\bfull[- ]text search\b",
    re.IGNORECASE,
)
_MANAGED = re.compile(r"\b(?:Firebase|Supabase|Algolia|Firestore)\b", re.IGNORECASE)


def _encryption(sections: Row) -> Iterator[Told]:
    secret = next((place for place, row in _active(sections) if _SECRET.search(row["text"])), None)
    if secret is None:
        return
    places = [
        ("the architecture", sections.get("architecture") or ""),
        ("the approach", sections.get("approach") or ""),
    ]
    places += [("a requirement", row["text"]) for place, row in _active(sections) if place != secret]
    stack = sections.get("stack") or []
    places += [("the stack", f"{row['technology']} {row.get('role') or ''}") for row in stack]
    reads = [(where, match[0]) for where, text in places if (match := _SERVER_READS.search(text))]
    for option in (sections.get("build_vs_buy") or {}).get("options") or []:
        if option.get("verdict") == "chosen" and (match := _MANAGED.search(str(option["name"]))):
            reads.append(("the chosen option", match[0]))
    if reads:
        told = "; ".join(f"{where} has “{what}”" for where, what in reads[:4])
        message = f"A server that holds no keys cannot read or merge what it stores, but {told}."
        yield "encryption-conflict", f"/requirements/{secret}", message


# --- Phases -----------------------------------------------------------------------------------------------------------

_COMMON = frozenset(
    re.findall(
        r"[a-z]+",
        "the and for with when into from that this must can support user users system show able ux ui real time",
    )
)


def _phases(sections: Row) -> Iterator[Told]:
    phases = sections.get("release_phases") or []
    if len(phases) < 2:
        return
    scopes = [[_stems(scope) for scope in (phase.get("scope") or [])[:MOST_SCOPES]] for phase in phases[:MOST_PHASES]]
    for place, requirement in _active(sections):
        if requirement.get("kind") != "functional" or requirement.get("phase"):
            continue
        wanted = _stems(requirement["text"].partition("(")[0])
        number = _delivered_in(wanted, scopes)
        if number:
            message = (
                f"{phases[number]['name']} delivers it, so the first release lacks it. Give the requirement a phase, "
                "or move it into the first."
            )
            yield "phase-defers-requirement", f"/requirements/{place}", message


def _delivered_in(wanted: frozenset[str], scopes: list[list[frozenset[str]]]) -> int | None:
    """The number of the first phase that shares most with the requirement; None when none shares half of an item."""
    best, number = 0.0, None
    for place, phase in enumerate(scopes):
        for scope in phase:
            shared = len(wanted & scope)
            share = shared / min(len(wanted), len(scope)) if shared else 0.0
            if share >= 0.5 and share > best:
                best, number = share, place
    return number


def _stems(text: str) -> frozenset[str]:
    words = re.findall(r"[^\W\d_]{3,}", text.lower())
    return frozenset(word[:6] for word in words if word not in _COMMON)


# --- Risks ------------------------------------------------------------------------------------------------------------

_LOSES = re.compile(
    r"last[- ]write[- ]wins|last writer? wins|fall(?:s|ing)? back to the last write|discard\w* (?:the )?(?:edit|change|"
    r"message|event|update)s?|drop\w* (?:the )?(?:edit|change|message|event|update)s?|overwrit\w+",
    re.IGNORECASE,
)
_KEEPS = re.compile(
    r"\b(?:don.?t|do not|never|not|without|no) (?:los\w+|lost)|\bkeep (?:all )?my (?:edits|changes|work)"
    r"|\bzero (?:data )?loss",
    re.IGNORECASE,
)


def _fallbacks(sections: Row) -> Iterator[Told]:
    stories = enumerate(sections.get("user_stories") or [])
    promise = next((place for place, story in stories if _KEEPS.search(story["text"])), None)
    if promise is None:
        return
    for place, risk in enumerate(sections.get("risks") or []):
        if match := _LOSES.search(risk.get("mitigation") or ""):
            message = f"“{match[0]}” loses what story {promise + 1} promises to keep. Find another fallback."
            yield "fallback-breaks-story", f"/risks/{place}", message


_LOAD = re.compile(
    r"\b(connection|user|request|session|client|editor|viewer|customer|tenant|device)s?\b", re.IGNORECASE
)


def _scale(sections: Row) -> Iterator[Told]:
    required = [one for _, row in _active(sections) for one in _loads(row["text"])]
    most = max((one.value for one in required), default=Decimal(0))
    for place, risk in enumerate(sections.get("risks") or []):
        feared = next((one for one in _loads(risk["description"]) if one.value > most), None)
        if feared is None:
            continue
        asked = (
            f"the requirements go no further than {most:,f} {required[0].unit}" if required else "no requirement does"
        )
        message = f"The risk speaks of {feared.value:,f} {feared.unit}; {asked}. Say what load it must bear."
        yield "scale-not-required", f"/risks/{place}", message


def _loads(text: str) -> list[Measure]:
    return [one for one in measures(text) if one.unit and _LOAD.search(one.unit)]


# --- Targets ----------------------------------------------------------------------------------------------------------


def _duplicates(sections: Row) -> Iterator[Told]:
    first: dict[tuple[Any, ...], str] = {}
    places = [(f"/requirements/{place}", row["text"]) for place, row in _active(sections)]
    metrics = enumerate(sections.get("success_metrics") or [])
    places += [
        (f"/success_metrics/{place}", f"{row.get('name') or ''} {row.get('text') or ''}") for place, row in metrics
    ]
    for pointer, text in places:
        for one in measures(text):
            # A plain count means little by itself; a latency, a rate or an availability is a target.
            if one.metric is None or one.unit is None or one.unit == "nines":
                continue
            key = (one.metric, *comparable(one.value, one.unit), one.percentile)
            earlier = first.setdefault(key, pointer)
            if earlier != pointer:
                message = (
                    f"“{one.text}” is stated at {earlier} too. State it once and refer to it, or they will differ."
                )
                yield "duplicated-target", pointer, message


_PER = re.compile(r"\s*(?:/|per |a |each )\s*(mo(?:nth)?|yr|year|annum)\b", re.IGNORECASE)


def _trigger(sections: Row) -> Iterator[Told]:
    bought = sections.get("build_vs_buy") or {}
    texts = [("recommendation", bought.get("recommendation")), ("revisit_if", bought.get("revisit_if"))]
    expected = [cost for option in bought.get("options") or [] for cost, _ in _costs(option.get("cost") or "")]
    for name, text in texts:
        limits = [cost for cost, op in _costs(text or "") if op in (">", ">=")]
        reached = [cost for cost in expected for limit in limits[:1] if cost >= limit]
        if limits and reached:
            message = (
                f"The limit is {limits[0]:,f} a year and the expected cost {max(reached):,f}: it fires in the very "
                "case that was planned for. Raise the limit, or look now."
            )
            yield "trigger-at-expected-cost", f"/build_vs_buy/{name}", message


def _costs(text: str) -> list[tuple[Decimal, str | None]]:
    """Running costs in a text, for a year, with the comparator in front of each."""
    found = []
    for one in measures(text):
        if one.unit not in ("$", "€", "£"):
            continue
        if period := _PER.match(text, one.end):
            months = 12 if period[1].lower().startswith("mo") else 1
            found.append((one.value * months, one.op))
    return found


def _active(sections: Row) -> list[tuple[int, Row]]:
    rows = enumerate(sections.get("requirements") or [])
    return [(place, row) for place, row in rows if row.get("status", "active") == "active"]
