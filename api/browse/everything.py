"""One search over features, PRDs and decisions."""

from functools import cache
from typing import Any

from fastapi import Request
from sqlalchemy import Integer, Numeric, Text, and_, bindparam, cast, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import TSQUERY

from api.accounts.auth import Caller
from api.accounts.tenancy import owned
from api.browse.schemas import SearchQuery
from api.decisions.models import Decision
from api.features.models import Feature
from api.http.pagination import Cursors, as_list, binding_of, counting, total
from api.http.reply import Reply
from api.http.representation import shown
from api.prds.models import Prd
from api.problems import InsufficientScope
from api.search.query import matches, understand
from api.stores import Prepared, Transaction

_KINDS: dict[str, tuple[Any, str, str, Any]] = {
    "feature": (Feature, "feat", "features:read", Feature.description),
    "prd": (Prd, "prd", "prds:read", func.roadbed_strings(Prd.sections)),
    "decision": (Decision, "dec", "decisions:read", Decision.context),
}
_SNIPPET_CHARS = 5_000
_MARKS = "StartSel=**, StopSel=**"


async def search_all(tx: Transaction, request: Request, caller: Caller, query: SearchQuery) -> Reply:
    """A page of matches. Raises InsufficientScope for a type that the key may not read, Invalid, InvalidCursor."""
    kinds = _allowed(caller, query.type)
    understood = await understand(tx, query.q)
    signer: Cursors = request.app.state.cursors
    binding = binding_of(tx.scope, request.url.path, {"q": query.q, "type": kinds}, ("-relevance",))
    after = signer.read(query.cursor, binding) if query.cursor else None
    rows = await tx.all(
        _statement(kinds, after is not None),
        **understood.values,
        page_limit=query.limit + 1,
        after_0=after and after[0],
        after_1=after and after[1],
    )
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    cursor = signer.write([rows[-1]["relevance"], rows[-1]["id"]], binding) if more else None
    extra: dict[str, Any] = {"corrected": {word: list(known) for word, known in understood.corrected.items()}}
    if query.include:
        extra |= total(await tx.value(_count(kinds), **understood.values))
    return as_list(request, [row["json"] for row in rows], cursor, extra)


def _allowed(caller: Caller, wanted: list[Any] | None) -> tuple[str, ...]:
    """The kinds that are asked for, or all that the key may read."""
    if wanted is None:
        return tuple(kind for kind, (_, _, scope, _) in _KINDS.items() if scope in caller.scopes)
    for kind in wanted:
        if _KINDS[kind][2] not in caller.scopes:
            raise InsufficientScope(f"The key does not have the scope {_KINDS[kind][2]}, which type={kind} needs.")
    return tuple(kind for kind in _KINDS if kind in wanted)


@cache
def _count(kinds: tuple[str, ...]) -> Prepared:
    return Prepared(counting(select(union_all(*(_matching(kind) for kind in kinds)).subquery("best"))))


_statements: dict[tuple[tuple[str, ...], bool], Prepared] = {}


def _statement(kinds: tuple[str, ...], after: bool) -> Prepared:
    shape = (kinds, after)
    if shape not in _statements:
        _statements[shape] = Prepared(_select(kinds, after))
    return _statements[shape]


def _select(kinds: tuple[str, ...], after: bool) -> Any:
    """The page first, over ids and relevance alone; only its rows are read and highlighted."""
    best = union_all(*(_matching(kind) for kind in kinds)).subquery("best")
    page = select(best)
    if after:
        bounds = (bindparam("after_0", type_=Numeric), bindparam("after_1", type_=best.c.id.type))
        page = page.where(func.row(best.c.relevance, best.c.id) < func.row(*bounds))
    page = page.order_by(best.c.relevance.desc(), best.c.id.desc()).limit(bindparam("page_limit", type_=Integer))
    rows = page.cte("page")
    shown_rows = union_all(*(_shown(kind, rows) for kind in kinds)).subquery("shown")
    return select(shown_rows).order_by(shown_rows.c.relevance.desc(), shown_rows.c.id.desc())


def _matching(kind: str) -> Any:
    table = _KINDS[kind][0].__table__
    source = matches(table)
    rows = table.join(source.rows, source.on)
    return (
        select(literal(kind).label("kind"), table.c.id, source.rows.c.relevance).select_from(rows).where(owned(table))
    )


def _shown(kind: str, page: Any) -> Any:
    model, prefix, _, words = _KINDS[kind]
    table = model.__table__
    whole = cast(bindparam("whole"), TSQUERY)
    fields = {
        "object": "search_result",
        "type": kind,
        "id": func.roadbed_id(prefix, table.c.id),
        "title": table.c.title,
        "highlight": func.ts_headline("simple", table.c.title, whole, f"{_MARKS}, HighlightAll=true"),
        "snippet": func.ts_headline(
            "simple", func.nullif(func.left(words, _SNIPPET_CHARS), ""), whole, f"{_MARKS}, MaxWords=30, MinWords=10"
        ),
        "relevance": func.trim_scale(page.c.relevance),
        "updated_at": shown(table.c.updated_at),
    }
    pairs = [part for name, value in fields.items() for part in (name, value)]
    text = cast(func.json_build_object(*pairs), Text)
    return select(text.label("json"), page.c.relevance, page.c.id).where(
        and_(owned(table), table.c.id == page.c.id, page.c.kind == kind)
    )
