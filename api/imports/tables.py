"""Tables that people keep by hand, read into features and decision matrices, with every printed figure computed again.

Tables made by hand are often wrong, and a system of record must not copy the mistake. Pure: text in, data out. Nothing
here raises on a document; what was not understood stands in `skipped`.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal
from fractions import Fraction
from itertools import islice
from typing import Literal

from api.formulas.exact import FormulaError, Number, rounded
from api.formulas.ranking import ranked
from api.formulas.rice import rice
from api.formulas.weighted import Criterion, RatingScale, evaluate
from api.imports.cells import Figure, NotANumber, figure, uses_decimal_commas
from api.imports.documents import Document, Format, Skipped, Table, plain, read_document

MAX_TITLE_CHARS = 300
MAX_LABEL_CHARS = 64
MAX_LABELS = 50
MAX_EXTRA = 20
MAX_ORDERS = 20
MAX_ORDER_NAMES = 200
MAX_NAME_CHARS = 200
_VOTERS = 1000
_LINE_CHARS = 5000

INPUTS = ("reach", "impact", "confidence", "effort")

# Headers as people write them, without what stands in brackets.
_NAMES: dict[str, str] = {
    name: column
    for column, names in {
        "title": "feature|features|title|name|feature name|feature title|initiative|idea|summary|story|user story|epic|"
        "task|task name|item|issue|issue title|project|opportunity|funktion|merkmal|titel|fonctionnalité|titre|nom|"
        "función|funcionalidad|título|nombre|funcionalidade|nome|funzionalità|titolo|機能|功能|需求",
        "reach": "reach|r|reichweite|portée|alcance|portata|リーチ|覆盖|影响范围",
        "impact": "impact|i|wirkung|auswirkung|impacto|impatto|インパクト|影响",
        "confidence": "confidence|conf|c|confidence level|"
        "sicherheit|vertrauen|zuversicht|confiance|confianza|confiança|"
        "fiducia|確度|信心",
        "effort": "effort|e|effort estimate|aufwand|esfuerzo|esforço|sforzo|工数|投入|工作量",
        "score": "rice score|rice|score|rice-score|total score|punkte|puntaje|puntuación|スコア|得分",
        "rank": "rank|ranking|priority rank|rang|rango|順位|排名",
        "status": "status|state|stage|estado|statut|stato|ステータス|状态",
        "labels": "labels|label|tags|tag|components|etiketten|etiquetas|étiquettes",
        "description": "description|details|notes|beschreibung|descripción|descrição|descrizione|説明|描述",
        "external_id": "id|key|issue key|issue id|external id|identifier",
    }.items()
    for name in names.split("|")
}
_FACTOR = {"factor", "factors", "criterion", "criteria", "consideration", "kriterium", "critère", "criterio"}
_WEIGHT = {"weight", "weights", "weighting", "gewicht", "gewichtung", "poids", "peso"}
_DIRECTION = {"direction", "kind", "type"}
_TOTALS = {"total", "totals", "sum", "weighted total", "weighted score", "total score", "score", "summe", "average"}
_PERIODS = {
    "week": "week",
    "wk": "week",
    "month": "month",
    "mo": "month",
    "quarter": "quarter",
    "qtr": "quarter",
    "q": "quarter",
    "year": "year",
    "yr": "year",
    "y": "year",
}
_ORDER = re.compile(
    r"\W*(?:(?:priority|prioriti[sz]ed|rank(?:ing|ed)?|recommended|build)\s+order|priorities|ranking)\W*[:=]\W*(.+)",
    re.IGNORECASE | re.DOTALL,
)
_ORDERS = re.compile(r"(?:order|priorities|ranking)\W*[:=]", re.IGNORECASE)
_BRACKETS = re.compile(r"[(\[（]([^)\]）]*)[)\]）]")
# Wide enough that products of two printed figures are exact.
_EXACT = Context(prec=400)
_DIVISORS = [Decimal(10) ** power for power in range(-6, 10)]


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A printed figure that is not what its inputs give, both as the table would print them.

    `field` is `score`, `rank`, `order`, or in a matrix `totals.<option>` and `weights`. `exact` is the computed score
    before the table's divisor, where there is one.
    """

    line: int
    field: str
    printed: str
    computed: str
    exact: Decimal | None = None

    def as_dict(self) -> dict[str, int | str]:
        """The four fields of an import report."""
        return {"line": self.line, "field": self.field, "printed": self.printed, "computed": self.computed}


@dataclass(frozen=True, slots=True)
class Feature:
    """One row. Inputs are in the units of `rice`, confidence being a share; effort is in the table's own unit.

    `score` and `rank` are computed, None without all four inputs; `rank` counts from 1 within its table. `extra` holds
    the columns that are not known here, by header.
    """

    line: int
    title: str
    reach: Decimal | None = None
    impact: Decimal | None = None
    confidence: Decimal | None = None
    effort: Decimal | None = None
    score: Decimal | None = None
    rank: int | None = None
    printed_score: Decimal | None = None
    printed_rank: int | None = None
    status: str | None = None
    labels: tuple[str, ...] = ()
    description: str | None = None
    external_id: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """How one table was read.

    `columns` says which header was read as what, `units` what stood in its brackets, `reach_period` what that says of
    the period (week, month, quarter, year). `divisor` is the constant that the printed scores were divided by, None for
    none, and it explains `explained` of `printed_scores`. `order` holds the titles by computed score.
    """

    line: int
    columns: Mapping[str, str]
    units: Mapping[str, str]
    reach_period: str | None
    divisor: Decimal | None
    explained: int
    printed_scores: int
    order: Sequence[str]


@dataclass(frozen=True, slots=True)
class FeatureImport:
    """Everything that a document says of features, and everything about it that is doubtful."""

    format: Format
    encoding: str | None
    features: Sequence[Feature]
    tables: Sequence[FeatureTable]
    discrepancies: Sequence[Discrepancy]
    skipped: Sequence[Skipped]
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Matrix:
    """A decision matrix: weights and ratings as printed, totals as computed, None where a rating is missing.

    Percentages are shares here: 40% is 0.4. `scale` runs from 0 to 10, or to 100 where a rating needs it.
    """

    line: int
    criteria: Sequence[Criterion]
    options: Sequence[str]
    ratings: Mapping[str, Mapping[str, Decimal]]
    scale: RatingScale
    totals: Mapping[str, Decimal] | None
    printed_totals: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class MatrixImport:
    """Every decision matrix of a document, and what is doubtful about them."""

    format: Format
    encoding: str | None
    matrices: Sequence[Matrix]
    discrepancies: Sequence[Discrepancy]
    skipped: Sequence[Skipped]


def read_features(
    source: bytes | str,
    format: Format | None = None,
    words: Mapping[str, Mapping[str, Number]] | None = None,
    renamed: Mapping[str, str] | None = None,
) -> FeatureImport:
    """Read the features of a CSV or Markdown document and compute every score, rank and priority order again.

    `words` maps the words of an input to numbers, {"impact": {"high": 2}}; without it a word is skipped with the way to
    map it. `renamed` says what headers are, in lower case, where their names do not. Sources of the arithmetic:
    `api.formulas.rice`.

    >>> from api.imports.guide import RICE_TABLE_MARKDOWN
    >>> told = read_features(RICE_TABLE_MARKDOWN)
    >>> [(one.line, one.printed, one.computed) for one in told.discrepancies if one.field == "score"]
    [(4, '10', '100'), (5, '15', '1.5')]
    >>> told.tables[0].divisor, told.tables[0].order
    (Decimal('100'), ['Real-time collab', 'Dark mode', 'Performance (50% faster)', 'API v2'])
    """
    document = read_document(source, format)
    readings = []
    for table in document.tables:
        columns = _feature_columns(table, document, renamed or {})
        if columns:
            readings.append(_read_table(table, columns, document, words or {}))
    _check_orders(document, readings)
    return FeatureImport(
        format=document.format,
        encoding=document.encoding,
        features=[feature for reading in readings for feature in reading.features],
        tables=[reading.told for reading in readings],
        discrepancies=sorted((one for reading in readings for one in reading.found), key=lambda one: one.line),
        skipped=sorted(document.skipped, key=lambda one: one.line),
        notes=[note for reading in readings for note in reading.notes],
    )


def read_matrices(source: bytes | str, format: Format | None = None) -> MatrixImport:
    """Read every decision matrix (Factor, Weight, then one column an option) and compute the printed totals again.

    >>> from api.imports.guide import DECISION_MATRIX_MARKDOWN
    >>> [one.as_dict() for one in read_matrices(DECISION_MATRIX_MARKDOWN).discrepancies][0]
    {'line': 8, 'field': 'totals.Build', 'printed': '6.6', 'computed': '6.7'}
    """
    document = read_document(source, format)
    found: list[Discrepancy] = []
    matrices = [_matrix(table, document, found) for table in document.tables if _is_matrix(table, document)]
    skipped = sorted(document.skipped, key=lambda one: one.line)
    return MatrixImport(document.format, document.encoding, matrices, found, skipped)


# --- Features ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Reading:
    """What one table gave."""

    features: list[Feature]
    told: FeatureTable
    found: list[Discrepancy]
    notes: list[str]
    orders: list[tuple[int, str]]


@dataclass(slots=True)
class _Draft:
    """A row whose numbers are read and not yet judged."""

    feature: Feature
    figures: dict[str, Figure]


def _feature_columns(table: Table, document: Document, renamed: Mapping[str, str]) -> dict[str, int]:
    """Which cell holds what. Nothing, with a note, when the table is not one of features."""
    columns: dict[str, int] = {}
    for place, header in enumerate(table.header):
        column = renamed.get(header.strip().lower()) or _NAMES.get(_bare(header)[0])
        if column and column not in columns:
            columns[column] = place
    # In a CSV a list of titles is enough. Markdown has tables of all kinds, so one more column must be known.
    if "title" in columns and (document.format == "csv" or len(columns) > 1):
        return columns
    shown = ", ".join(header[:40] for header in table.header[:8])
    if _matrix_columns(table):
        document.skip(table.line, "This table is a decision matrix. Import it as a decision.")
    else:
        document.skip(
            table.line, f"No features here: a column must be called Feature, Title or Name, and these are {shown}."
        )
    return {}


def _bare(header: str) -> tuple[str, str]:
    """A header in lower case without its unit, and the unit: "Reach (users/qtr)" and "Reach per qtr" are both reach."""
    header = header[:MAX_NAME_CHARS]
    unit = " ".join(_BRACKETS.findall(header)).strip()
    name = " ".join(_BRACKETS.sub(" ", header).lower().replace("_", " ").split()).strip(" *:?")
    if name in _NAMES:
        return name, unit
    first, *rest = re.split(r"\s*(?:/|:| per | in |%| [-–—] )\s*", name, maxsplit=1)
    return first, unit or (rest[0] if rest and rest[0] else "%" if "%" in name else "")


def _read_table(
    table: Table, columns: dict[str, int], document: Document, words: Mapping[str, Mapping[str, Number]]
) -> _Reading:
    units = {column: _bare(table.header[place])[1] for column, place in columns.items()}
    numeric = [columns[name] for name in (*INPUTS, "score") if name in columns]
    commas = uses_decimal_commas(row.cells[place] for row in table.rows for place in numeric)
    notes, orders, drafts = _unit_notes(units), list[tuple[int, str]](), list[_Draft]()
    for row in table.rows:
        filled = [cell for cell in row.cells if cell]
        if len(filled) == 1 and _ORDER.fullmatch(filled[0]):
            orders.append((row.line, filled[0]))
            continue
        feature = _named(row.line, row.cells, table.header, columns, document)
        if feature:
            drafts.append(_Draft(feature, _figures(row.line, row.cells, columns, document, words, commas=commas)))
    notes += _share_confidences(drafts, units.get("confidence", ""))
    features = _with_ranks([_scored(draft, columns, document) for draft in drafts])
    divisor, explained = _divisor(features)
    told = FeatureTable(
        line=table.line,
        columns={column: table.header[place] for column, place in columns.items()},
        units={column: unit for column, unit in units.items() if unit},
        reach_period=_period(units.get("reach", "")),
        divisor=divisor,
        explained=explained,
        printed_scores=sum(feature.printed_score is not None for feature in features),
        order=[one.title for one in sorted(features, key=lambda one: one.rank or len(features)) if one.rank],
    )
    found = [*_score_discrepancies(features, drafts, divisor), *_rank_discrepancies(features)]
    return _Reading(features, told, found, notes + _double_titles(features), orders)


def _unit_notes(units: dict[str, str]) -> list[str]:
    unit = units.get("effort", "").lower()
    if any(word in unit for word in ("week", "day", "hour", "sprint", "point")):
        return [f"Effort is in {unit!r} and not in person-months. Nothing was converted, so scores compare only here."]
    return []


def _period(unit: str) -> str | None:
    found = [
        _PERIODS[word]
        for word in (word.rstrip("s") for word in re.findall(r"[a-z]+", unit.lower()))
        if word in _PERIODS
    ]
    return found[-1] if found else None


def _named(
    line: int, cells: Sequence[str], header: Sequence[str], columns: dict[str, int], document: Document
) -> Feature | None:
    """The words of a row, None with a note for a row that is no feature."""
    text = {column: cells[place] for column, place in columns.items()}
    title = " ".join(text["title"].split())
    if not title or len(title) > MAX_TITLE_CHARS:
        long = f"The title has {len(title)} characters. {MAX_TITLE_CHARS} is the most."
        document.skip(line, long if title else "The row has no title.", "title")
        return None
    if title.lower() in _TOTALS or list(cells) == list(header):
        document.skip(line, "The row sums up others or repeats the header, so it is no feature.")
        return None
    known = set(columns.values())
    unknown = ((header[place], cell) for place, cell in enumerate(cells) if cell and place not in known)
    return Feature(
        line=line,
        title=title,
        status=text.get("status") or None,
        labels=_labels(text.get("labels", "")),
        description=text.get("description") or None,
        external_id=text.get("external_id") or None,
        extra=dict(islice(unknown, MAX_EXTRA)),
    )


def _labels(cell: str) -> tuple[str, ...]:
    labels = (label.strip() for label in re.split(r"[,;|]", cell))
    return tuple(dict.fromkeys(label[:MAX_LABEL_CHARS] for label in labels if label))[:MAX_LABELS]


def _figures(
    line: int,
    cells: Sequence[str],
    columns: dict[str, int],
    document: Document,
    words: Mapping[str, Mapping[str, Number]],
    *,
    commas: bool,
) -> dict[str, Figure]:
    figures = {}
    for column in (*INPUTS, "score", "rank"):
        if column not in columns:
            continue
        try:
            read = figure(cells[columns[column]], words.get(column), comma_decimal=commas)
        except (NotANumber, FormulaError) as error:
            document.skip(line, str(error), column)
            continue
        if read and read.percent and column in ("reach", "impact", "effort"):
            document.skip(line, f"A percentage is no {column}. Write a plain number.", column)
        elif read:
            figures[column] = read
    return figures


def _share_confidences(drafts: Sequence[_Draft], unit: str) -> list[str]:
    """Turn every confidence into a share. Whether a bare 80 is a percentage shows in the column and not in the cell."""
    confidences = [draft.figures["confidence"] for draft in drafts if "confidence" in draft.figures]
    bare = [one.value for one in confidences if not one.percent]
    percent = any(value > 1 for value in bare)
    mixed = percent and any(0 < value < 1 for value in bare)
    for draft in drafts:
        read = draft.figures.get("confidence")
        if read and (read.percent or (percent and not (mixed and read.value <= 1))):
            draft.figures["confidence"] = read._replace(value=rounded(Fraction(read.value) / 100, 12))
    if mixed:
        return ["Confidence mixes shares and percentages. Up to 1 was read as a share, above 1 as a percentage."]
    if percent and "%" not in unit:
        return ["Confidence has no percent sign and goes above 1, so it was read as percentages."]
    if bare and not percent and "%" in unit:
        return ["Confidence is headed % and goes no higher than 1, so it was read as shares."]
    return []


def _scored(draft: _Draft, columns: dict[str, int], document: Document) -> Feature:
    """The feature with its numbers, and its score where all four inputs are there and in range."""
    values = {name: draft.figures[name].value for name in INPUTS if name in draft.figures}
    line, score = draft.feature.line, None
    if len(values) == len(INPUTS):
        try:
            score = rice(**values)
        except FormulaError as error:
            document.skip(line, error.message, error.field)
            values.pop(error.field, None)
    elif values and all(name in columns for name in INPUTS):
        missing = " and ".join(name for name in INPUTS if name not in values)
        document.skip(line, f"There is no {missing}, so there is no score.")
    return replace(
        draft.feature,
        reach=values.get("reach"),
        impact=values.get("impact"),
        confidence=values.get("confidence"),
        effort=values.get("effort"),
        score=score,
        printed_score=draft.figures["score"].value if "score" in draft.figures else None,
        printed_rank=_whole_rank(draft, document),
    )


def _whole_rank(draft: _Draft, document: Document) -> int | None:
    read = draft.figures.get("rank")
    if read is None:
        return None
    if read.value != read.value.to_integral_value() or not 1 <= read.value <= 10**9:
        document.skip(draft.feature.line, f"{read.value} is no rank. Ranks are whole and count from 1.", "rank")
        return None
    return int(read.value)


def _with_ranks(features: list[Feature]) -> list[Feature]:
    places = ranked(range(len(features)), [feature.score for feature in features])
    rank_of = {place: rank for rank, place in enumerate(places, 1) if features[place].score is not None}
    return [replace(feature, rank=rank_of.get(place)) for place, feature in enumerate(features)]


def _divisor(features: Sequence[Feature]) -> tuple[Decimal | None, int]:
    """The constant that turns most computed scores into the printed ones, and how many it explains.

    A power of ten is tried first, 1 before the others. Another constant must explain at least two rows, since for one
    row there is always some constant.
    """
    both = [
        (one.score, one.printed_score) for one in features if one.score is not None and one.printed_score is not None
    ]
    voters = [(score, printed) for score, printed in both[:_VOTERS] if printed]
    if not voters:
        return None, sum(score == printed for score, printed in both)
    ratios = Counter(rounded(Fraction(score) / Fraction(printed)) for score, printed in voters if score)
    others = [ratio for ratio, times in ratios.most_common(5) if times > 1 and ratio > 0]
    candidates = [*sorted(_DIVISORS, key=lambda power: abs(power.adjusted())), *others]
    best = max(candidates, key=lambda divisor: sum(_agrees(*pair, divisor) for pair in voters))
    explained = sum(_agrees(*pair, best) for pair in both)
    return (best if best != 1 and explained else None), explained


def _agrees(score: Decimal, printed: Decimal, divisor: Decimal) -> bool:
    """Whether the printed figure is the computed one, rounded to as many decimals as it shows."""
    exponent = printed.as_tuple().exponent
    unit = Decimal((0, (1,), exponent)) if isinstance(exponent, int) and exponent < 0 else Decimal(1)
    gap = _EXACT.subtract(score, _EXACT.multiply(printed, divisor))
    return _EXACT.multiply(gap.copy_abs(), Decimal(2)) <= _EXACT.multiply(unit, divisor)


def _score_discrepancies(
    features: Sequence[Feature], drafts: Sequence[_Draft], divisor: Decimal | None
) -> list[Discrepancy]:
    return [
        Discrepancy(
            line=feature.line,
            field="score",
            printed=str(feature.printed_score),
            computed=str(rounded(Fraction(feature.score) / Fraction(divisor or 1))),
            exact=feature.score,
        )
        for feature in features
        if feature.score is not None
        and feature.printed_score is not None
        and not _agrees(feature.score, feature.printed_score, divisor or Decimal(1))
    ]


def _rank_discrepancies(features: Sequence[Feature]) -> list[Discrepancy]:
    """Printed ranks that no order of the computed scores gives: features of one score may stand either way round."""
    scored = [feature for feature in features if feature.score is not None and feature.rank is not None]
    first: dict[Decimal, int] = {}
    last: dict[Decimal, int] = {}
    for feature in sorted(scored, key=lambda one: one.rank or 0):
        first.setdefault(feature.score or Decimal(0), feature.rank or 0)
        last[feature.score or Decimal(0)] = feature.rank or 0
    return [
        Discrepancy(feature.line, "rank", str(feature.printed_rank), str(feature.rank))
        for feature in scored
        if feature.printed_rank is not None
        and not first[feature.score or Decimal(0)] <= feature.printed_rank <= last[feature.score or Decimal(0)]
    ]


def _double_titles(features: Sequence[Feature]) -> list[str]:
    lines: dict[str, list[int]] = {}
    for feature in features:
        lines.setdefault(feature.title, []).append(feature.line)
    double = [(title, at) for title, at in lines.items() if len(at) > 1][:20]
    return [f"{title!r} stands more than once, on lines {', '.join(map(str, at[:20]))}." for title, at in double]


def _check_orders(document: Document, readings: Sequence[_Reading]) -> None:
    """Compare every line such as "Priority order: A → B" with the computed order of the table that it speaks of."""
    lines = document.text + [order for reading in readings for order in reading.orders]
    short = [
        (line, plain(text)) for line, text in lines if readings and len(text) <= _LINE_CHARS and _ORDERS.search(text)
    ]
    orders = [(line, match[1]) for line, text in short if (match := _ORDER.fullmatch(text))]
    for line, _ in orders[MAX_ORDERS:]:
        document.skip(line, f"Only the first {MAX_ORDERS} priority orders are checked.", "order")
    for line, text in orders[:MAX_ORDERS]:
        pieces = [piece.strip() for piece in _split_order(text) if piece.strip()][:MAX_ORDER_NAMES]
        # The table that knows most of the names; of equal ones the nearest above.
        known = [(_match(pieces, reading.features), reading) for reading in readings]
        named, reading = max(
            known, key=lambda one: (sum(map(bool, one[0])), one[1].told.line <= line, one[1].told.line)
        )
        for piece, feature in zip(pieces, named, strict=True):
            if feature is None and any(named):
                document.skip(line, f"{piece[:80]!r} is in the printed order and in no table.", "order")
        reading.found += _order_discrepancy(line, [one for one in named if one], reading.features)


def _split_order(text: str) -> list[str]:
    arrows = re.split(r"\s*(?:→|⇒|->|=>|>)\s*", text)
    return arrows if len(arrows) > 1 else re.split(r"\s*[,;]\s*", text)


def _match(pieces: Sequence[str], features: Sequence[Feature]) -> list[Feature | None]:
    keys = {_key(feature.title): feature for feature in reversed(features)}
    return [_feature_called(_key(piece), keys) for piece in pieces]


def _feature_called(key: str, keys: Mapping[str, Feature]) -> Feature | None:
    if key in keys or len(keys) > _VOTERS:
        return keys.get(key)
    alike = [
        feature for known, feature in keys.items() if key and known and (known.startswith(key) or key.startswith(known))
    ]
    return alike[0] if len(alike) == 1 else None


def _key(name: str) -> str:
    words = re.sub(r"^\s*\d+[.)]\s+", "", _BRACKETS.sub(" ", name[:MAX_TITLE_CHARS])).casefold().split()
    return " ".join(words).strip(" .:*_`")


def _order_discrepancy(line: int, printed: Sequence[Feature], features: Sequence[Feature]) -> list[Discrepancy]:
    scored = sorted((one for one in features if one.rank), key=lambda one: one.rank or 0)
    if len(printed) < 2 or any(one.score is None for one in printed):
        return []
    expected = scored[: len(printed)]
    # Scores are compared and not titles: two features of one score may stand either way round.
    if [one.score for one in printed] == [one.score for one in expected]:
        return []
    return [
        Discrepancy(line, "order", " → ".join(one.title for one in printed), " → ".join(one.title for one in expected))
    ]


# --- Decision matrices ------------------------------------------------------------------------------------------------


def _matrix_columns(table: Table) -> dict[str, int]:
    names = [_bare(header)[0] for header in table.header]
    columns = {
        kind: next(place for place, name in enumerate(names) if name in words)
        for kind, words in (("factor", _FACTOR), ("weight", _WEIGHT), ("direction", _DIRECTION))
        if any(name in words for name in names)
    }
    return columns if {"factor", "weight"} <= columns.keys() and len(names) > len(columns) else {}


def _is_matrix(table: Table, document: Document) -> bool:
    if _matrix_columns(table):
        return True
    document.skip(
        table.line, "No decision matrix here: it has a column Factor, a column Weight, and one for each option."
    )
    return False


def _matrix(table: Table, document: Document, found: list[Discrepancy]) -> Matrix:
    columns = _matrix_columns(table)
    options = {place: header for place, header in enumerate(table.header) if header and place not in columns.values()}
    commas = uses_decimal_commas(cell for row in table.rows for cell in row.cells[1:])
    criteria: list[Criterion] = []
    ratings: dict[str, dict[str, Decimal]] = {option: {} for option in options.values()}
    total_line, totals, printed_weights = table.line, dict[str, Figure](), None
    for row in table.rows:
        name = row.cells[columns["factor"]][:MAX_NAME_CHARS]
        cells = {
            option: _rating(row.line, row.cells[place], option, document, commas) for place, option in options.items()
        }
        weight = _rating(row.line, row.cells[columns["weight"]], "weight", document, commas)
        if name.lower().strip(" :") in _TOTALS:
            total_line, printed_weights = row.line, weight
            totals = {option: cell for option, cell in cells.items() if cell}
        elif not name or weight is None:
            document.skip(row.line, "A criterion needs a name and a weight.")
        else:
            direction = row.cells[columns["direction"]] if "direction" in columns else ""
            criteria.append(Criterion(name, _share(weight), _direction(direction)))
            for option, cell in cells.items():
                if cell:
                    ratings[option][name] = cell.value
    highest = max((rating for cells_of in ratings.values() for rating in cells_of.values()), default=Decimal(0))
    matrix = Matrix(
        line=table.line,
        criteria=criteria,
        options=list(options.values()),
        ratings=ratings,
        scale=RatingScale(0, 10 if highest <= 10 else 100),
        totals=None,
        printed_totals={option: cell.value for option, cell in totals.items()},
    )
    return _totalled(matrix, total_line, printed_weights, document, found)


def _totalled(
    matrix: Matrix, line: int, printed_weights: Figure | None, document: Document, found: list[Discrepancy]
) -> Matrix:
    try:
        told = evaluate(matrix.criteria, matrix.options, matrix.ratings, matrix.scale)
    except FormulaError as error:
        document.skip(matrix.line, f"The totals cannot be computed. {error.message}")
        return matrix
    # A table whose weights sum to 100 may print totals that are a hundred times larger.
    factors = [Decimal(1), told.weight_sum, Decimal(10), Decimal(100)]
    pairs = [(told.totals[option], printed) for option, printed in matrix.printed_totals.items()]
    factor = max(factors, key=lambda one: sum(_agrees(total * one, printed, Decimal(1)) for total, printed in pairs))
    found += [
        Discrepancy(
            line, f"totals.{option}", str(printed), str(rounded(Fraction(told.totals[option]) * Fraction(factor)))
        )
        for option, printed in matrix.printed_totals.items()
        if not _agrees(told.totals[option] * factor, printed, Decimal(1))
    ]
    if printed_weights and _share(printed_weights) != told.weight_sum:
        sign, hundred = ("%", 100) if printed_weights.percent else ("", 1)
        computed = f"{rounded(Fraction(told.weight_sum) * hundred)}{sign}"
        found.append(Discrepancy(line, "weights", f"{printed_weights.value}{sign}", computed))
    return replace(matrix, totals={option: told.totals[option] for option in matrix.options})


def _rating(line: int, cell: str, column: str, document: Document, commas: bool) -> Figure | None:
    try:
        return figure(cell, comma_decimal=commas)
    except NotANumber as error:
        document.skip(line, str(error), column)
        return None


def _share(weight: Figure) -> Decimal:
    return rounded(Fraction(weight.value) / 100) if weight.percent else weight.value


def _direction(cell: str) -> Literal["benefit", "cost"]:
    return (
        "cost" if cell.strip().lower() in ("cost", "lower is better", "minimize", "minimise", "min", "-") else "benefit"
    )
