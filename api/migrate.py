"""Run the migrations from code, with the database given and no ini file in the current folder."""

from pathlib import Path

from alembic import command
from alembic.config import Config

_ROOT = Path(__file__).resolve().parent.parent


def migrate_to(database_url: str, revision: str = "head") -> None:
    """Upgrade to a revision or to `head`; `base` and steps back like `-1` downgrade."""
    config = Config(str(_ROOT / "alembic.ini"))
    config.attributes["database_url"] = database_url
    if revision == "base" or revision.startswith("-"):
        command.downgrade(config, revision)
    else:
        command.upgrade(config, revision)
