from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.imports import documents
from api.imports.documents import read_document
from api.imports.guide import DECISION_MATRIX_MARKDOWN, PRD, RICE_TABLE_MARKDOWN
from api.imports.tables import read_features, read_matrices

HEADER = "Feature,Reach,Impact,Confidence,Effort,RICE Score\n"


def reasons(told) -> list[str]:
    return [one.reason for one in told.skipped]


# --- The guide --------------------------------------------------------------------------------------------------------


def test_the_guides_table_is_read_and_both_wrong_scores_and_the_wrong_order_are_told() -> None:
    told = read_features(RICE_TABLE_MARKDOWN)
    assert [one.as_dict() for one in told.discrepancies] == [
        {"line": 4, "field": "score", "printed": "10", "computed": "100"},
        {"line": 5, "field": "score", "printed": "15", "computed": "1.5"},
        {
            "line": 8,
            "field": "order",
            "printed": "Real-time collab → Performance (50% faster) → API v2 → Dark mode",
            "computed": "Real-time collab → Dark mode → Performance (50% faster) → API v2",
        },
    ]
    assert [one.exact for one in told.discrepancies] == [10000, 150, None]
    assert told.skipped == []


def test_the_guides_scores_are_divided_by_100_which_explains_two_of_four() -> None:
    (table,) = read_features(RICE_TABLE_MARKDOWN).tables
    assert (table.divisor, table.explained, table.printed_scores) == (100, 2, 4)
    assert table.reach_period == "quarter"
    assert table.units["effort"] == "eng-months"


def test_the_guides_features_hold_their_inputs_scores_and_ranks() -> None:
    features = read_features(RICE_TABLE_MARKDOWN).features
    assert [(one.title, one.score, one.rank) for one in features] == [
        ("Real-time collab", 12000, 1),
        ("Dark mode", 10000, 2),
        ("API v2", 150, 4),
        ("Performance (50% faster)", 5250, 3),
    ]
    api = features[2]
    assert (api.reach, api.impact, api.confidence, api.effort) == (500, 3, Decimal("0.6"), 6)


def test_the_guides_matrix_is_read_and_both_wrong_totals_are_told() -> None:
    told = read_matrices(DECISION_MATRIX_MARKDOWN)
    assert [one.as_dict() for one in told.discrepancies] == [
        {"line": 8, "field": "totals.Build", "printed": "6.6", "computed": "6.7"},
        {"line": 8, "field": "totals.Buy", "printed": "6.2", "computed": "5.5"},
    ]
    (matrix,) = told.matrices
    assert matrix.options == ["Build", "Buy"]
    assert [one.weight for one in matrix.criteria] == [Decimal(one) / 10 for one in (4, 2, 2, 1, 1)]
    assert matrix.ratings["Buy"]["Time to market"] == 10
    assert matrix.totals == {"Build": Decimal("6.7"), "Buy": Decimal("5.5")}


def test_the_guides_prd_has_every_section() -> None:
    sections = ["problem", "solution", "user_stories", "functional", "non_functional", "approach", "risks"]
    assert all(PRD[name] for name in [*sections, "success_metrics", "release_plan", "open_questions"])
    assert sum(phase["weeks"] for phase in PRD["release_plan"]) == 8


def test_both_kinds_of_table_in_one_document_are_told_apart() -> None:
    document = f"# Plan\n\n{RICE_TABLE_MARKDOWN}\n\n{DECISION_MATRIX_MARKDOWN}"
    features, matrices = read_features(document), read_matrices(document)
    assert len(features.features) == 4
    assert len(matrices.matrices) == 1
    assert any("is a decision matrix" in reason for reason in reasons(features))


# --- Columns and cells ------------------------------------------------------------------------------------------------


def test_a_right_table_has_nothing_to_report() -> None:
    told = read_features(HEADER + "A,1000,2,50%,1,1000\nB,10,1,1,1,10\n")
    assert (told.discrepancies, told.skipped, told.tables[0].divisor) == ([], [], None)


def test_status_labels_description_id_and_unknown_columns_are_kept() -> None:
    told = read_features('Key,Summary,Status,Labels,Notes,Team,Sprint\nRB-1,Search,Done,"a, b;a",fast,Core,\n')
    (one,) = told.features
    assert (one.external_id, one.title, one.status, one.labels) == ("RB-1", "Search", "Done", ("a", "b"))
    assert (one.description, one.extra) == ("fast", {"Team": "Core"})


def test_titles_alone_are_features_without_scores() -> None:
    told = read_features("Title\nSearch\nDark mode\n")
    assert [(one.title, one.score, one.rank) for one in told.features] == [
        ("Search", None, None),
        ("Dark mode", None, None),
    ]
    assert told.skipped == []


def test_a_word_for_a_number_is_skipped_with_the_way_to_map_it() -> None:
    source = HEADER + "Search,1000,High,80%,2,\n"
    told = read_features(source)
    assert (told.features[0].impact, told.features[0].score) == (None, None)
    assert told.skipped[0].column == "impact"
    assert "say what the word stands for" in told.skipped[0].reason
    assert read_features(source, words={"impact": {"high": 2}}).features[0].score == 800


def test_an_input_out_of_range_is_skipped_with_the_formulas_own_words() -> None:
    told = read_features(HEADER + "Search,1000,2,80%,0,\n")
    assert (told.skipped[0].line, told.skipped[0].column) == (2, "effort")
    assert told.skipped[0].reason.startswith("effort must be more than 0")


def test_a_missing_input_leaves_no_score_and_is_told() -> None:
    told = read_features(HEADER + "Search,1000,2,80%,TBD,\n")
    assert reasons(told) == ["There is no effort, so there is no score."]


def test_a_percentage_where_a_count_belongs_is_skipped() -> None:
    assert (
        reasons(read_features(HEADER + "Search,10%,2,80%,1,\n"))[0] == "A percentage is no reach. Write a plain number."
    )


@pytest.mark.parametrize(
    ("header", "cells", "shares"),
    [
        ("Confidence", ["80", "50"], ["0.8", "0.5"]),
        ("Confidence (%)", ["80", "1"], ["0.8", "0.01"]),
        ("Confidence", ["0.8", "1"], ["0.8", "1"]),
        ("Confidence (%)", ["0.8", "1"], ["0.8", "1"]),
        ("Confidence", ["80%", "0.5"], ["0.8", "0.5"]),
        ("Confidence", ["80", "0.5", "1"], ["0.8", "0.5", "1"]),
    ],
)
def test_whether_a_confidence_is_a_percentage_shows_in_its_column(header, cells, shares) -> None:
    rows = "".join(f"F{i},1,1,{cell},1\n" for i, cell in enumerate(cells))
    told = read_features(f"Feature,Reach,Impact,{header},Effort\n{rows}")
    assert [one.confidence for one in told.features] == [Decimal(share) for share in shares]


def test_effort_in_weeks_is_noted_and_not_converted() -> None:
    told = read_features("Feature,Reach,Impact,Confidence,Effort (weeks)\nA,1,1,1,4\n")
    assert told.features[0].effort == 4
    assert "Nothing was converted" in told.notes[0]


def test_a_title_that_stands_twice_is_noted() -> None:
    assert read_features("Title\nA\nB\nA\n").notes == ["'A' stands more than once, on lines 2, 4."]


def test_a_row_of_totals_is_no_feature() -> None:
    told = read_features(HEADER + "A,1,1,1,1,1\nTotal,,,,1,\n")
    assert [one.title for one in told.features] == ["A"]
    assert told.skipped[0].line == 3


def test_headers_are_known_in_other_languages() -> None:
    told = read_features("Funktion;Reichweite;Wirkung;Sicherheit;Aufwand\nSuche;10.000;3;80%;0,5\n")
    assert (told.features[0].title, told.features[0].score) == ("Suche", 48000)
    assert read_features("機能,リーチ,インパクト,確度,工数\n検索,10,1,50%,1\n").features[0].score == 5


# --- Scores, ranks and orders -----------------------------------------------------------------------------------------


def test_a_rounded_printed_score_is_not_a_discrepancy() -> None:
    told = read_features(HEADER + "A,100,2,100%,3,66.7\nB,100,1,100%,3,33\n")
    assert told.discrepancies == []


@pytest.mark.parametrize(("divisor", "printed"), [("1000", ["12", "5.25"]), ("0.01", ["1200000", "525000"])])
def test_a_constant_divisor_is_found(divisor, printed) -> None:
    rows = f"A,10000,3,80%,2,{printed[0]}\nB,15000,2,70%,4,{printed[1]}\n"
    (table,) = read_features(HEADER + rows).tables
    assert (table.divisor, table.explained) == (Decimal(divisor), 2)


def test_a_divisor_that_is_no_power_of_ten_needs_two_rows() -> None:
    rows = "A,700,1,1,1,100\nB,1400,1,1,1,200\n"
    assert read_features(HEADER + rows).tables[0].divisor == 7
    told = read_features(HEADER + "A,700,1,1,1,100\n")
    assert told.tables[0].divisor is None
    assert told.discrepancies[0].computed == "700"


def test_a_printed_rank_that_the_scores_do_not_give_is_told() -> None:
    told = read_features("Feature,Reach,Impact,Confidence,Effort,Rank\nA,1,1,1,1,1\nB,2,1,1,1,2\n")
    assert [one.as_dict() for one in told.discrepancies] == [
        {"line": 2, "field": "rank", "printed": "1", "computed": "2"},
        {"line": 3, "field": "rank", "printed": "2", "computed": "1"},
    ]


def test_features_of_one_score_may_be_ranked_either_way() -> None:
    told = read_features("Feature,Reach,Impact,Confidence,Effort,Rank\nA,2,1,1,1,2\nB,2,1,1,1,1\nC,1,1,1,1,3\n")
    assert told.discrepancies == []


def test_a_top_list_that_skips_a_better_feature_is_told() -> None:
    table = "| Feature | Reach | Impact | Confidence | Effort |\n|---|---|---|---|---|\n"
    table += "| A | 3 | 1 | 1 | 1 |\n| B | 2 | 1 | 1 | 1 |\n| C | 1 | 1 | 1 | 1 |\n\n"
    assert read_features(table + "Priority order: A, B").discrepancies == []
    assert read_features(table + "**Priority order:** A -> C").discrepancies[0].computed == "A → B"
    assert read_features(table + "Ranking: A > B > C").discrepancies == []
    assert reasons(read_features(table + "Ranking: A > B > X")) == ["'X' is in the printed order and in no table."]


def test_a_priority_order_right_below_a_table_is_no_feature() -> None:
    told = read_features(RICE_TABLE_MARKDOWN.replace("\n\n", "\n"))
    assert len(told.features) == 4
    assert told.discrepancies[-1].field == "order"
    assert len(read_features(HEADER + "A,2,1,1,1,2\nB,3,1,1,1,3\nPriority order: A → B\n").discrepancies) == 1


# --- Documents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_every_usual_separator_is_found(separator) -> None:
    told = read_features("Feature,Reach,Impact,Confidence,Effort\nA,1,1,1,2\n".replace(",", separator))
    assert told.features[0].score == Decimal("0.5")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_every_usual_encoding_is_read(encoding) -> None:
    told = read_features("Title,Status\nÜbersicht für Gäste,offen\n".encode(encoding))
    assert told.features[0].title == "Übersicht für Gäste"


def test_line_endings_and_quoted_line_breaks_keep_the_line_numbers() -> None:
    told = read_features('Title,Notes\r\nA,"two\r\nlines"\r\nB,x\r\n')
    assert [(one.line, one.title) for one in told.features] == [(2, "A"), (4, "B")]
    assert read_features("Title\rA\rB").features[1].line == 3


def test_a_number_with_an_unquoted_separator_shifts_cells_and_is_skipped() -> None:
    told = read_features(HEADER + "A,10,000,3,80%,2,120\nB,1,1,1,1,1\n")
    assert [one.title for one in told.features] == ["B"]
    assert "in quotes" in told.skipped[0].reason


def test_a_quote_that_never_closes_does_not_swallow_the_rest() -> None:
    told = read_features('Title,Status\nA,open\n"B,open\nC,open\n')
    assert [one.title for one in told.features] == ["A", "B", "C"]
    assert "never closed" in told.skipped[0].reason


def test_rows_above_the_header_are_skipped() -> None:
    told = read_features("Roadmap of 2026\n\nFeature,Reach,Impact,Confidence,Effort\nA,1,1,1,1\n")
    assert told.features[0].line == 4
    assert told.skipped[0].line == 1


def test_markup_in_cells_is_taken_off() -> None:
    table = "| Feature | Status |\n|---|---|\n| [**Dark** `mode`](https://example.com) | ~~open~~ |\n| a \\| b | x |\n"
    assert [(one.title, one.status) for one in read_features(table).features] == [("Dark mode", "open"), ("a | b", "x")]


def test_a_markdown_row_with_too_many_cells_is_skipped() -> None:
    told = read_features("| Feature | Status |\n|---|---|\n| A | B | C |\n| D | E |\n")
    assert [one.title for one in told.features] == ["D"]
    assert told.skipped[0].line == 3


def test_a_table_in_a_code_block_is_an_example_and_not_read() -> None:
    told = read_features(f"# Notes\n\n```markdown\n{RICE_TABLE_MARKDOWN}```\n")
    assert told.features == []
    assert reasons(told) == ["The document holds no table."]


def test_a_table_without_its_line_of_dashes_is_told() -> None:
    told = read_features("# Plan\n\n| Feature | Reach |\n| A | 1 |\n")
    assert told.skipped[0].line == 3
    assert "no line of |---|---|" in told.skipped[0].reason


def test_a_table_of_other_things_is_told_by_its_columns() -> None:
    told = read_features("| Traditional | Technical |\n|---|---|\n| a | b |\n")
    assert "these are Traditional, Technical" in told.skipped[0].reason


@pytest.mark.parametrize("source", ["", " \n", b"", b"\xff\xfe", "just a sentence", b"\x00\x01\x02"])
def test_a_document_without_a_table_says_so(source) -> None:
    told = read_features(source)
    assert told.features == []
    assert told.skipped


def test_documents_are_bounded_in_size_rows_columns_and_cells(monkeypatch) -> None:
    assert "larger than" in read_features(b"x" * (documents.MAX_BYTES + 1)).skipped[0].reason
    assert "characters" in read_features("# x\n" + "x" * documents.MAX_MARKDOWN_CHARS).skipped[0].reason
    assert "cells" in read_features("Title" + ",x" * 300 + "\nA\n").skipped[0].reason
    assert "characters" in read_features("Title,Notes\nA," + "x" * 60_000 + "\n").skipped[0].reason
    assert read_features("Title,Notes\nA," + "x" * 200_000 + "\nB,y\n").features[-1].title == "B"
    monkeypatch.setattr(documents, "MAX_ROWS", 3)
    told = read_features("Title\nA\nB\nC\nD\nE\n")
    assert [one.title for one in told.features] == ["A", "B", "C"]
    assert "Only the first 3 rows" in told.skipped[0].reason


def test_a_document_of_nothing_but_bad_rows_is_not_answered_with_a_note_for_each() -> None:
    told = read_features(HEADER + "A,x,1,1,1,1\n" * 5000)
    assert len(told.skipped) == documents.MAX_SKIPPED + 1


# --- Matrices ---------------------------------------------------------------------------------------------------------


def test_a_matrix_with_a_missing_rating_has_no_totals_and_says_which() -> None:
    told = read_matrices("Factor,Weight,Build,Buy\nSpeed,0.5,3,\nCost,0.5,4,5\n")
    assert told.matrices[0].totals is None
    assert "'Buy' has no rating for 'Speed'" in reasons(told)[0]


def test_weights_that_do_not_sum_to_their_printed_sum_are_told() -> None:
    told = read_matrices("Factor,Weight,A,B\nSpeed,50%,3,4\nCost,40%,4,5\nTotal,100%,3.4,4.4\n")
    assert told.discrepancies[-1].as_dict() == {"line": 4, "field": "weights", "printed": "100%", "computed": "90%"}


def test_totals_over_weights_that_sum_to_100_are_understood() -> None:
    told = read_matrices("Criteria,Weight,A,B\nSpeed,60,3,4\nCost,40,4,5\nTotal,100,340,440\n")
    assert told.discrepancies == []
    assert told.matrices[0].totals == {"A": Decimal("3.4"), "B": Decimal("4.4")}


def test_a_cost_and_ratings_out_of_a_hundred_are_read() -> None:
    told = read_matrices("Criterion,Weight,Direction,A,B\nPrice,1,cost,80,30\n")
    assert told.matrices[0].totals == {"A": 20, "B": 70}


def test_a_rating_that_is_a_word_is_skipped_by_name() -> None:
    told = read_matrices("Factor,Weight,A\nSpeed,1,High\n")
    assert (told.skipped[0].line, told.skipped[0].column) in {(1, None), (2, "A")}
    assert len(told.skipped) == 2


def test_what_is_no_matrix_is_told() -> None:
    assert "No decision matrix here" in read_matrices(RICE_TABLE_MARKDOWN).skipped[0].reason


# --- Nothing crashes --------------------------------------------------------------------------------------------------

HEADERS = [
    "Feature",
    "Title",
    "Reach (users/qtr)",
    "Impact",
    "Confidence (%)",
    "Effort",
    "RICE",
    "Rank",
    "Factor",
    "Weight",
]
MARKS = [
    "|",
    "|---|---|",
    "\n",
    "\n\n",
    ",",
    ";",
    "\t",
    '"',
    "**",
    "`",
    "```",
    "> ",
    "- ",
    "\r",
    "\x00",
    "\ufeff",
    "\u202e",
]
VALUES = [
    "Total",
    "10,000",
    "80%",
    "3 (massive)",
    "High",
    "0,5",
    "1e999",
    "-1",
    "Priority order: ",
    " → ",
    "A",
    "B",
    "漢字",
]
pieces = st.sampled_from([*HEADERS, *MARKS, *VALUES, "1" * 70])


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300), st.lists(pieces, max_size=60).map("".join)))
def test_no_document_breaks_the_readers(source) -> None:
    for told in (read_features(source), read_matrices(source)):
        assert all(one.reason and one.line >= 0 for one in told.skipped)
    assert read_features(source) == read_features(source)


cells = st.one_of(pieces, st.text(max_size=8), st.integers(0, 10**6).map(str))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(cells, min_size=6, max_size=6), max_size=6), st.sampled_from(["csv", "markdown"]))
def test_no_row_breaks_the_readers(rows, format) -> None:
    header = ["Feature", "Reach", "Impact", "Confidence", "Effort", "RICE"]
    if format == "csv":
        source = "\n".join(",".join(row) for row in [header, *rows])
    else:
        lines = ["| " + " | ".join(row) + " |" for row in [header, *rows]]
        source = "\n".join([lines[0], "|---" * 6 + "|", *lines[1:]])
    told = read_features(source, format)
    assert all(one.score is None or one.rank for one in told.features)
    read_matrices(source.replace("Feature", "Factor").replace("Reach", "Weight"), format)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**6), st.sampled_from(["3", "2", "1", "0.5"]), st.integers(0, 100), st.integers(1, 24)
        ),
        min_size=1,
        max_size=12,
    )
)
def test_a_table_printed_from_its_own_scores_has_no_discrepancy(rows) -> None:
    printed = [
        Decimal(reach) * Decimal(impact) * confidence / 100 / effort for reach, impact, confidence, effort in rows
    ]
    lines = [
        f"| F{i} | {reach:,} | {impact} | {confidence}% | {effort} | **{score:.2f}** |"
        for i, ((reach, impact, confidence, effort), score) in enumerate(zip(rows, printed, strict=True))
    ]
    header = "| Feature | Reach | Impact | Confidence | Effort | RICE |\n|---|---|---|---|---|---|\n"
    told = read_features(header + "\n".join(lines))
    assert told.discrepancies == []
    assert len(told.features) == len(rows)


@pytest.mark.parametrize(
    "evil",
    [
        "|" * 50_000,
        "| a " * 5_000 + "\n" + "|---" * 5_000 + "\n" + "|x\n" * 5_000,
        "> " * 50_000,
        "```\n" * 20_000,
        "|Feature|Status|\n|---|---|\n\n" * 2_000,
        "|Feature|Status|\n|---|---|\n|A|B|\n\nPriority order: A → B\n\n" * 1_000,
        '"' * 100_001,
        "Title\n" + "*a " * 100_000,
        ",\n" * 100_000,
        "Ranking: " + ":" * 100_000,
        "Title,Reach\nA," + "(" * 9_000 + "\n",
        "Title,Reach\nA," + "1," * 9_000 + "\n",
        ("Title " + "( " * 4_000 + ",") * 100 + "b\nA,b\n",
        "# x\n" + "Priority order: " + "*a " * 300_000,
        "# x\n" + "a|b\n" + (" " * 900 + "-x\n") * 1_000,
        "|Title|Status|\n|---|---|\n" + ("|" + "[" * 999 + "|x|\n") * 20 + "|" + "[" * 9_000 + "|x|\n",
        "|Title|Status|\n|---|---|\n" + ("|" + "*a **b " * 1_200 + "|x|\n") * 20,
        "|Title|Status|\n|---|---|\n" + ("|" + "`a" * 4_000 + "|x|\n") * 20,
        "|Title|Status|\n|---|---|\n" + ("|" + "<a " * 3_000 + "|x|\n") * 20,
    ],
    ids=range(19),
)
def test_a_hostile_document_is_read_in_time(evil) -> None:
    read_features(evil)
    read_matrices(evil)
    assert read_document(evil)
