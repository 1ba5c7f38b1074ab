"""What cannot be is told in a sentence."""

import contextlib
from collections.abc import Iterator

import typer


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """With exit 1; Ctrl-C ends quietly."""
    from api.commands.connect import CannotGoOn  # noqa: PLC0415 - commands load only what they need

    try:
        yield
    except CannotGoOn as error:
        typer.echo(f"roadbed: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
