"""The commands for people and pipes: keys, features, scores, the roadmap, decisions, export, doctor, tutorial."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.main import create_app
from api.settings import Settings
from tests.commands.test_against_a_service import ended
from tests.support.serving import serving
from tests.support.workspace import Workspace, made, sign_up
from workers.deliver import Courier

DECISION = {
    "title": "Build or buy",
    "kind": "build_vs_buy",
    "options": [{"key": "build", "title": "Build"}, {"key": "buy", "title": "Buy"}],
}


@pytest.fixture
async def service(settings: Settings, client: object) -> AsyncIterator[str]:
    """The application on a real port that it knows of, so that its inbox leads there."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app: FastAPI = create_app(Settings(**settings.model_dump() | {"public_url": f"http://127.0.0.1:{port}"}))
    async with app.router.lifespan_context(app), serving(app, port) as url:
        yield url


@pytest.fixture
async def team(service: str) -> AsyncIterator[Workspace]:
    async with httpx.AsyncClient(base_url=service, trust_env=False) as caller, sign_up(caller) as fresh:
        yield fresh


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_from_a_feature_to_a_decision_by_hand(service: str, team: Workspace, tmp_path: Path) -> None:
    remote = {"ROADBED_URL": service, "ROADBED_KEY": team.live_secret}

    code, out, err = await ended("features", "add", "Dark mode", "--label", "ui", "--json", **remote)
    assert code == 0, err
    [feature] = _lines(out)
    assert feature["labels"] == ["ui"]
    inputs = ("reach=5000", "impact=1", "confidence=1", "effort=0.5")
    code, out, err = await ended("score", feature["id"], *inputs, "--json", **remote)
    assert (code, [row["value"] for row in _lines(out)]) == (0, [10000]), err
    code, out, _ = await ended("reprioritize", "--dry-run", **remote)
    assert (code, "Dark mode" in out, "1 moved." in out) == (0, True, True)
    code, out, _ = await ended("reprioritize", "--json", **remote)
    assert [row["feature_id"] for row in _lines(out)[0]["ranking"]] == [feature["id"]]
    decision = await made(team.live, "/v1/decisions", DECISION)
    code, out, _ = await ended("decide", decision["id"], "build", "--rationale", "Ours.", "--json", **remote)
    assert (code, _lines(out)[0]["status"]) == (0, "recorded")

    file = tmp_path / "roadbed.jsonl"
    code, out, err = await ended("export", str(file), **remote)
    assert (code, out) == (0, ""), err
    kept = {(row["object"], row.get("id")) for row in _lines(file.read_text())}
    assert {("feature", feature["id"]), ("decision", decision["id"])} <= kept
    assert not list(tmp_path.glob("*.unfinished"))  # noqa: ASYNC240 - a test waits for its own disk


async def test_help_says_the_command_as_it_was_called() -> None:
    for called in ("./run", "roadbed"):
        code, out, _ = await ended("features", "list", "--help", ROADBED_CALLED_AS=called)
        assert (code, f"Usage: {called} features list" in out) == (0, True), out
        code, out, _ = await ended("--help", ROADBED_CALLED_AS=called)
        assert (code, "faults, fuzz, browser," in out) == (0, called == "./run"), out
    code, out, _ = await ended("--version")
    assert (code, out) == (0, "roadbed 1.0.0\n")


async def test_keys_by_hand(service: str, team: Workspace) -> None:
    remote = {"ROADBED_URL": service, "ROADBED_KEY": team.live_secret}
    code, out, err = await ended("keys", "create", "CI", "--scope", "features:read", "--json", **remote)
    assert code == 0, err
    [key] = _lines(out)
    code, out, _ = await ended("keys", "rotate", key["id"], "--overlap-s", "60", "--json", **remote)
    [successor] = _lines(out)
    assert (code, successor["scopes"]) == (0, ["features:read"])
    code, out, _ = await ended("keys", "revoke", key["id"], "--json", **remote)
    assert (code, _lines(out)) == (0, [{"id": key["id"], "revoked": True}])
    code, out, _ = await ended("keys", "list", **remote)
    assert code == 0
    assert successor["id"] in out
    assert successor["secret"] not in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("score", "feat_nope", "reach=1"), "There is nothing at"),
        (("score", "feat_nope", "reach"), "write it like reach=5000"),
        (("keys", "create", "CI", "--scope", "nope"), "scopes"),
        (("tutorial", "--language", "cobol"), "none of curl, python, typescript"),
    ],
)
async def test_what_cannot_be_is_told_in_a_sentence(
    service: str, team: Workspace, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = await ended(*arguments, ROADBED_URL=service, ROADBED_KEY=team.live_secret)
    assert (code, out) == (1, "")
    assert err.startswith("roadbed: ")
    assert said in err


async def test_doctor_names_what_is_wrong(service: str, team: Workspace) -> None:
    await made(team.live, "/v1/endpoints", {"url": "http://127.0.0.1:65000/x", "event_types": ["*"], "enabled": False})
    code, out, err = await ended("doctor", "--json", ROADBED_URL=service, ROADBED_KEY=team.live_secret)
    states = {one["check"]: one["state"] for one in _lines(out)[0]["findings"]}
    assert states["endpoints"] == "warning", err
    assert {states[name] for name in ("service", "postgres", "redis", "key", "deliveries")} == {"ok"}
    assert code == 0
    code, out, _ = await ended("doctor", ROADBED_URL=service, ROADBED_KEY="rb_live_nope")
    assert (code, "✗ key" in out) == (1, True)
    code, out, _ = await ended("doctor", ROADBED_URL="http://127.0.0.1:9", ROADBED_KEY=team.live_secret)
    assert (code, "does not answer" in out) == (1, True)


async def test_doctor_tells_test_calls_apart_from_live_ones(service: str, team: Workspace) -> None:
    for _ in range(3):
        assert (await team.test.get("/v1/features")).status_code == 200
    for secret, said, other in (
        (team.live_secret, "live calls", "test calls"),
        (team.test_secret, "test calls", "live"),
    ):
        _, out, err = await ended("doctor", "--json", ROADBED_URL=service, ROADBED_KEY=secret)
        [told] = [one["detail"] for one in _lines(out)[0]["findings"] if one["check"] == "key"]
        assert said in told, err
        assert other not in told


async def test_the_tutorial_signs_up_and_ends_with_a_webhook_that_verifies(service: str, courier: Courier) -> None:
    remote = {"ROADBED_URL": service, "ROADBED_KEY": "rb_live_nobody", "COLUMNS": "200"}
    code, out, err = await ended("tutorial", "--yes", "--email", "ada@example.com", "--wait-s", "20", **remote)
    assert code == 0, err
    assert "8 of 8 steps" in out
    said = [line for line in out.splitlines() if line.startswith("✓")]
    assert "✓ Receive a webhook" in said  # by itself, after another step
    key = next(word for word in out.split() if word.startswith("rb_live_"))
    async with httpx.AsyncClient(base_url=service, headers={"Authorization": f"Bearer {key}"}) as caller:
        messages = (await caller.get("/v1/inbox/messages")).json()["data"]
    assert messages
    assert all(message["verified"] for message in messages)

    code, out, _ = await ended("tutorial", ROADBED_URL=service, ROADBED_KEY=key)
    assert (code, "--email" in out) == (0, True)  # nothing is left to do in this one
    code, _, err = await ended("tutorial", "--email", "nobody", **remote)
    assert (code, err.startswith("roadbed: /email:")) == (1, True)


async def test_decisions_are_verified_in_the_postgres_of_the_run_that_is_up(
    service: str, team: Workspace, settings: Settings, tmp_path: Path
) -> None:
    decision = await made(team.live, "/v1/decisions", DECISION)
    await made(team.live, f"/v1/decisions/{decision['id']}/record", {"chosen": "build", "rationale": "Ours."})
    (tmp_path / "run.json").write_text(json.dumps({"database_url": settings.database_url}))
    code, out, err = await ended("verify", "--json", ROADBED_DATA_DIR=str(tmp_path))
    assert code == 0, err
    assert [(row["length"], row["intact"]) for row in _lines(out)] == [(1, True)]
    gone = {"ROADBED_DATA_DIR": str(tmp_path), "ROADBED_DATABASE_URL": "postgresql://u:p@127.0.0.1:9/x"}
    code, _, err = await ended("verify", **gone)
    assert (code, len(err.splitlines())) == (1, 1)


async def test_the_tutorial_walks_to_its_end(service: str, team: Workspace, courier: Courier) -> None:
    remote = {"ROADBED_URL": service, "ROADBED_KEY": team.test_secret}
    code, out, err = await ended("tutorial", "--yes", "--language", "python", "--wait-s", "20", **remote)
    assert code == 0, err
    assert "8 of 8 steps" in out
    assert "httpx.request" in out
    code, out, _ = await ended("tutorial", "--json", **remote)
    assert _lines(out)[0]["completed"] == 8
