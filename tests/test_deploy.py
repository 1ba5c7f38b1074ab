"""The container files name what there is. No machine of ours has a Docker engine: they are linted, and not run."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from api.cli import app
from api.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
FILES = ("Dockerfile", "compose.yaml", "example.env")


@pytest.mark.parametrize("name", FILES)
def test_every_setting_that_a_container_file_names_is_one(name: str) -> None:
    named = set(re.findall(r"ROADBED_([A-Z_]+)", (DEPLOY / name).read_text()))
    assert named
    assert named <= {setting.upper() for setting in Settings.model_fields}


def test_every_command_of_a_container_is_one() -> None:
    known = get_command(app).commands  # type: ignore[attr-defined]
    services = re.findall(r"<<: \*roadbed\n    command: \[(\w+)\]", (DEPLOY / "compose.yaml").read_text())
    image = re.findall(r'^CMD \["(\w+)"\]', (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert (sorted(services), image) == (["migrate", "serve", "worker"], ["serve"])
    assert {*services, *image} <= set(known)


def test_the_image_takes_what_is_there_and_what_the_context_lets_in() -> None:
    copied = re.findall(r"^COPY (?!--from)(\S+) ", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"requirements.lock", "alembic.ini", "api", "workers", "migrations", "docs"} == set(copied) == let_in
    assert all((ROOT / path).exists() for path in copied)


def test_the_example_has_no_secret_and_the_real_one_is_kept_out() -> None:
    values = dict(line.split("=", 1) for line in (DEPLOY / "example.env").read_text().splitlines() if "=" in line)
    assert (values["POSTGRES_PASSWORD"], values["ROADBED_PEPPER"], values["ROADBED_SEALING_KEYS"]) == ("", "", "k1:")
    assert "deploy/.env" in (ROOT / ".gitignore").read_text().split()
