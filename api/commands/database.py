"""What the commands that go to Postgres themselves say when it is not there."""

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import asyncpg
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from api.commands.connect import CannotGoOn, run_file
from api.problems import Problem
from api.settings import Settings


@contextlib.contextmanager
def postgres(url: str) -> Iterator[None]:
    """Raises CannotGoOn for what goes wrong inside with the database at `url`."""
    try:
        yield
    except CommandError as error:
        raise CannotGoOn(f"{error}. What is taken: `head`, `base`, a revision, or a step back like -1.") from None
    except (OSError, ValueError, Problem, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError) as error:
        way_out = "ROADBED_DATABASE_URL names it, and `migrate` makes its tables; ./run has a Postgres of its own."
        raise CannotGoOn(f"Postgres at {_place(url)} could not be used: {_reason(error)}. {way_out}") from None


def embedded(settings: Settings) -> Settings:
    """With the Postgres of the `./run` that is up, where the environment names none."""
    found = run_file().get("database_url")
    if found is None or "database_url" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"database_url": found})


def _reason(error: BaseException) -> str:
    """In one line: that of the driver, where ours or SQLAlchemy's stands around it."""
    while (inner := getattr(error, "orig", None) or error.__cause__) is not None:
        error = inner
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")


def _place(url: str) -> str:
    """Without the password."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"
    except ValueError:
        return "ROADBED_DATABASE_URL"
