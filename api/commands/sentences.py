"""What cannot be is told in a sentence."""

import contextlib
import os
import sys
from collections.abc import Iterator

import typer

BROKEN_PIPE, INTERRUPTED = 141, 130


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """On standard error, with exit 1, or 2 for an address that is none; Ctrl-C and a reader that has gone end quietly.

    What we did not think of is a mistake of ours: one line as well, and the traceback where ROADBED_LOG_LEVEL is debug.
    """
    from api.commands.connect import CannotGoOn  # noqa: PLC0415 - commands load only what they need

    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # What is still to be written has nowhere to go, also at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from None
    except CannotGoOn as error:
        raise _told(str(error), error.exit_code) from None
    except OSError as error:
        raise _told(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.") from None
    except Exception as error:
        if os.environ.get("ROADBED_LOG_LEVEL", "").lower() == "debug":
            raise
        more = "This is a mistake of ours; ROADBED_LOG_LEVEL=debug shows where."
        raise _told(f"{type(error).__name__}: {str(error)[:200]}. {more}") from None


def _told(sentence: str, code: int = 1) -> typer.Exit:
    typer.echo(f"roadbed: {sentence}", err=True)
    return typer.Exit(code)
