"""No command ever answers with a traceback: wrong, empty and huge arguments, no service, a wrong key, Ctrl-C."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

from api.commands.show import show
from tests.commands.test_against_a_service import ROOT, ended, line, running
from tests.support.serving import serving
from tests.support.workspace import Workspace

HUGE = "x" * 100_000
NOWHERE = "http://127.0.0.1:9"
KEY = "rb_live_" + "a" * 36
# Each with a word of what is told; the service is there, and the key is right.
REFUSED = [
    (("replay", "ep_1", "--since", "999999d"), "is no time"),
    (("replay", "ep_1", "--since", "0001-01-01T00:00:00"), "is no time"),
    (("replay", "ep_1", "--since", "٣d"), "is no time"),
    (("replay", "", "--since", "1d"), ""),
    (("replay", HUGE, "--since", "1d"), ""),
    (("replay", "a/../b?c=d#e", "--since", "1d"), ""),
    (("trigger", ""), ""),
    (("trigger", HUGE), ""),
    (("tail", "--from", "nonsense"), "cursor"),
    (("tail", "--type", HUGE), ""),
    (("listen", "--forward-to", "nonsense"), "is no address to forward to"),
    (("listen", "--forward-to", "http://[::1"), "is no address to forward to"),
    (("listen", "--forward-to", "ftp://127.0.0.1/"), "is no address to forward to"),
    (("listen", "--forward-to", "http://127.0.0.1:99999/"), "is no address to forward to"),
    (("listen", "--forward-to", "http://127.0.0.1:3000/", "--secret", "nope"), "whsec_"),
    (("keys", "create", "", "--scope", ""), "name"),
    (("keys", "create", "x", "--scope", "features:read", "--expires-at", "nonsense"), "expires_at"),
    (("keys", "rotate", "../x"), ""),
    (("keys", "revoke", ""), ""),
    (("features", "add", ""), "title"),
    (("features", "add", HUGE), "title"),
    (("features", "list", "--status", "nope"), "status"),
    (("score", "feat_1", "reach=" + "[" * 5000), ""),
    (("score", "feat_1", "reach=NaN"), ""),
    (("score", "feat_1", "reach=1e999999"), ""),
    (("score", "", "reach=1"), ""),
    (("reprioritize", "--framework", HUGE), "framework"),
    (("decide", "", "", "--rationale", ""), ""),
    (("export", ""), ""),
    (("export", "/"), "not empty"),
    (("export", "/proc/x.jsonl"), "cannot be written"),
    (("keys", "list", "--key", KEY), "key"),
    (("keys", "list", "--key", "ключ"), "The key is malformed"),
    (("keys", "list", "--key", HUGE), "The key is malformed"),
    (("doctor", "--key", "a\nb"), "The key is malformed"),
    (("keys", "list", "--url", "nonsense"), "is no address of a service"),
    (("doctor", "--url", "http://[::1"), "is no address of a service"),
    (("doctor", "--url", "http://127.0.0.1:99999"), "is no address of a service"),
    (("mcp", "--url", "nonsense"), "is no address of a service"),
    (("keys", "list", "--url", NOWHERE), "does not answer"),
    (("tail", "--from", "start", "--url", NOWHERE), "does not answer"),
    (("listen", "--forward-to", "http://127.0.0.1:3000/", "--url", NOWHERE), "does not answer"),
    (("export", "--url", NOWHERE), "does not answer"),
    (("tutorial", "--url", NOWHERE), "does not answer"),
    (("migrate",), "Postgres at 127.0.0.1:9/x could not be used"),
    (("verify",), "Postgres at 127.0.0.1:9/x could not be used"),
]


async def test_what_is_refused_is_told_in_a_sentence_on_standard_error(
    application: FastAPI, workspace: Workspace
) -> None:
    slots, wrong = asyncio.Semaphore(2), []

    async def one(arguments: tuple[str, ...], said: str) -> None:
        environment = {"ROADBED_URL": url, "ROADBED_KEY": workspace.live_secret, "COLUMNS": "40"}
        async with slots:
            told = await ended(*arguments, ROADBED_DATABASE_URL="postgresql://u:hunter2@127.0.0.1:9/x", **environment)
        code, out, err = told
        *before, last = err.splitlines()
        # As for every other argument that cannot be meant.
        expected = 2 if "is no address" in said else 1
        fine = (code, out) == (expected, "") and last.startswith("roadbed: ") and said in last and len(before) <= 2
        if not fine or "Traceback" in err or "mistake of ours" in err or "hunter2" in err:
            wrong.append(f"{[word[:40] for word in arguments]}: {code} {out[:200]!r} {err[-300:]!r}")

    async with serving(application) as url:
        await asyncio.gather(*(one(*case) for case in REFUSED))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "ROADBED_PEPPER is not set"),
        ({"ROADBED_PEPPER": "x"}, "ROADBED_PEPPER"),
        ({"ROADBED_PEPPER": "A" * 44}, "ROADBED_SEALING_KEYS"),
        ({"ROADBED_PORT": "99999"}, "ROADBED_PORT"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "worker"])
async def test_a_setting_that_is_wrong_is_named(command: str, environment: dict[str, str], said: str) -> None:
    code, out, err = await ended(command, **environment)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


async def test_an_argument_that_is_no_text_is_refused() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable.encode(), b"-P", b"-m", b"api.cli", b"features", b"add", b"\xff",
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, b"not UTF-8" in err, b"Traceback" in err) == (1, True, False)


@pytest.mark.parametrize("command", [("tail",), ("listen", "--forward-to", "http://127.0.0.1:3000/")])
async def test_ctrl_c_ends_quietly(application: FastAPI, workspace: Workspace, command: tuple[str, ...]) -> None:
    remote = ("--from", "start", "--key", workspace.live_secret)
    async with serving(application) as url, running(*command, *remote, "--json", "--url", url) as process:
        await workspace.feature("Dark mode")
        assert "feature.created" in await line(process)
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 130
    assert b"Traceback" not in err


async def test_a_reader_that_goes_away_ends_it_quietly(application: FastAPI, workspace: Workspace) -> None:
    for number in range(3):
        await workspace.feature(f"{number} " + "x" * 200, description="y" * 4000)
    reading, writing = os.pipe()
    async with serving(application) as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-u", "-m", "api.cli", "export", "--url", url, "--key", workspace.live_secret,
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=writing, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        os.close(writing)
        os.close(reading)
        _, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, err) == (141, b"")


async def test_a_line_that_is_there_to_be_copied_is_never_broken(application: FastAPI, workspace: Workspace) -> None:
    narrow = {"ROADBED_KEY": workspace.test_secret, "COLUMNS": "40"}
    title = "A title that no narrow terminal holds in one line, and which nobody has to guess " * 2
    await workspace.feature(title)
    async with serving(application) as url:
        _, tutorial, err = await ended("tutorial", "--yes", "--wait-s", "1", ROADBED_URL=url, **narrow)
        _, doctor, _ = await ended("doctor", ROADBED_URL=url, **narrow)
        _, table, _ = await ended("features", "list", "--url", url, "--key", workspace.live_secret, COLUMNS="40")
    sample = next(row for row in tutorial.splitlines() if "curl" in row)
    assert len(sample) > 40, (tutorial, err)
    assert all(row[0] in "✓!✗" and len(row) > 1 for row in doctor.splitlines())
    assert len(table.splitlines()) == 2
    assert title.strip() in table


@pytest.mark.parametrize("width", [50, 80, 200])
def test_each_row_has_one_line_in_a_terminal_and_what_is_left_out_is_named(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    row = {"id": "feat_" + "a" * 26, "title": "No terminal holds this " * 20, "status": "in_progress", "labels": []}
    columns = ("id", "title", "status", "labels", "updated_at")
    show([row | {"updated_at": "2026-12-01T10:23:17.706893Z"}] * 3, columns, False)
    head, *rows = _plain(capsys.readouterr().out).splitlines()
    rows, said = rows[:3], " ".join(rows[3:])
    assert all(line.startswith(row["id"]) and len(line) <= width for line in rows)
    assert "…" in rows[0]
    assert ("status" in head) is (width >= 80)
    for column in ("title", "status", "labels", "updated at"):
        assert (column in head) is not (column in said)
    assert "2026-12-01T10:23:17Z" in rows[0] or "updated at" in said


def test_a_row_that_stands_alone_is_told_whole_in_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    row = {"id": "dec_" + "a" * 26, "rationale": "because " * 20, "chosen": "buy"}
    show([row], ("id", "rationale", "chosen"), False)
    out = _plain(capsys.readouterr().out)
    assert out.count("because") == 20
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("chosen")] == ["buy"]
    assert "dec_" + "a" * 26 in out


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_an_id_stays_whole_where_a_terminal_is_narrow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    row = {"id": "feat_" + "a" * 26, "title": "A title of several words", "feature_id": "feat_" + "b" * 26}
    show([row], ("id", "title", "feature_id"), False)
    shown = capsys.readouterr().out
    assert row["id"] in shown
    assert row["feature_id"] in shown
