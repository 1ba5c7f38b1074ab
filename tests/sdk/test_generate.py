"""The committed clients are what the command makes of the committed contract."""

import json
import re
from pathlib import Path

import pytest

from openapi.sdk import generate


def test_the_committed_clients_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().out


def test_every_operation_is_a_method_of_each_client() -> None:
    document = json.loads(generate.CONTRACT.read_text())
    operations = {
        item[method]["operationId"]
        for item in document["paths"].values()
        for method in item
        if method in ("get", "post", "put", "patch", "delete")
    }
    python = (generate.HERE / generate.PYTHON / "_generated.py").read_text()
    typescript = (generate.HERE / generate.TYPESCRIPT / "generated.ts").read_text()
    sync, _, other = python.partition("\nclass AsyncClient:")
    missing = {name for name in operations if f"\n    def {name}(self" not in sync}
    missing |= {name for name in operations if not re.search(rf"\n    (async )?def {name}\(self", other)}
    missing |= {name for name in operations if f"\n    {name}: {{ id: " not in typescript}
    go = (generate.HERE / generate.GO / "generated.go").read_text().replace("_", "").lower()
    missing |= {name for name in operations if f"\nfunc (c *client) {name.replace('_', '')}(ctx " not in go}
    assert not missing


def test_any_json_value_has_one_name_in_the_clients_whatever_the_contract_calls_it() -> None:
    document = json.loads(generate.CONTRACT.read_text())
    assert "EventValue" in document["components"]["schemas"]
    read = generate.for_the_generator(document)["components"]["schemas"]
    assert "EventValue" not in read
    assert read["Event"]["properties"]["data"]["additionalProperties"] == {"$ref": "#/components/schemas/JsonValue"}


def test_a_file_that_is_not_current_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` itself, over two files of which one is old. Nothing is written."""
    (tmp_path / "old.py").write_text("old")
    (tmp_path / "right.py").write_text("right")
    monkeypatch.setattr(generate, "HERE", tmp_path)
    monkeypatch.setattr(generate, "generated", lambda: {Path("old.py"): "new", Path("right.py"): "right"})

    assert generate.main(["--check"]) == 1

    assert "old.py is not current" in capsys.readouterr().out
    assert (tmp_path / "old.py").read_text() == "old"


def test_a_generator_that_changed_is_refused() -> None:
    with pytest.raises(SystemExit, match="no longer writes"):
        generate.python_client("def elsewhere(): ...")


def test_every_form_of_an_answer_that_accept_chooses_is_a_method_with_a_type() -> None:
    python = (generate.HERE / generate.PYTHON / "_generated.py").read_text()
    typescript = (generate.HERE / generate.TYPESCRIPT / "generated.ts").read_text()
    forms = {
        name: media
        for *_, operation in generate._operations(json.loads(generate.CONTRACT.read_text()))
        for name, media in generate._forms(operation).items()
    }
    assert {"get_prd_markdown", "get_decision_markdown", "lint_prd_sarif"} <= set(forms)
    for name, media in forms.items():
        kind = "str" if media.startswith("text/") else r"Dict\[str, JsonValue\]"
        assert len(re.findall(rf"def {name}\(self.*\) -> {kind}:", python)) == 2, name
        kind = "string" if media.startswith("text/") else "Record<string, JsonValue>"
        assert f"export type {name.capitalize()}Result = {kind};" in typescript
    assert len(re.findall(r"def export_features\(self.*\) -> Union\[FeatureExport, str\]:", python)) == 2
    assert "export type Export_featuresResult = FeatureExport | string;" in typescript
    assert "#markdown" not in python + typescript
