"""The `roadbed` command."""

import asyncio
import logging
from pathlib import Path
from typing import Annotated

import structlog
import typer
from pydantic import ValidationError

from api.settings import Settings

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Roadbed: the system of record for product decisions."
)

STOP_WAIT_S = 10


@app.command()
def up() -> None:
    """Start everything: a Postgres and a Valkey of its own, the API and the worker."""
    from api.up import run_up  # noqa: PLC0415 - the embedded servers are not needed elsewhere

    raise typer.Exit(run_up(_settings()))


@app.command()
def serve() -> None:
    """Serve the API."""
    import uvicorn  # noqa: PLC0415 - only this command serves

    settings = _settings()
    uvicorn.run(
        "api.main:served",
        factory=True,
        host=settings.host,
        port=settings.port,
        access_log=False,
        server_header=False,
        timeout_keep_alive=65,
        # Without a limit a request that never ends keeps the process alive for ever.
        timeout_graceful_shutdown=STOP_WAIT_S,
        log_level=settings.log_level,
    )


@app.command()
def worker() -> None:
    """Deliver webhooks, and do what is due by the clock."""
    import uvloop  # noqa: PLC0415 - only the processes that serve need it

    from workers.run import run_worker  # noqa: PLC0415

    settings = _settings()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_worker(settings))


@app.command()
def migrate(
    to: Annotated[str, typer.Argument(help="A revision, `head`, or `-1` for one back.")] = "head",
) -> None:
    """Bring the tables up to date, or back to a revision."""
    from api.migrate import migrate_to  # noqa: PLC0415

    migrate_to(_settings().database_url, to)
    typer.echo(f"The tables are at {to}.")


@app.command()
def openapi(
    write: Annotated[bool, typer.Option(help="Write openapi/v1.json instead of printing it.")] = False,
) -> None:
    """The contract, as this code has it."""
    from api.openapi import contract  # noqa: PLC0415

    text = contract()
    if write:
        (Path(__file__).resolve().parent.parent / "openapi" / "v1.json").write_text(text)
        typer.echo("Wrote openapi/v1.json.")
    else:
        typer.echo(text)


@app.command()
def docs() -> None:
    """Write the tables of docs/ that follow from the code: settings and error codes."""
    import api.main  # noqa: F401, PLC0415 - each slice defines its own problems
    from api.docs.tables import write  # noqa: PLC0415

    changed = write()
    typer.echo("\n".join(f"Wrote {path}." for path in changed) or "Nothing to write.")


@app.command()
def verify() -> None:
    """Recompute every chain of recorded decisions; ends with 1 when a row was tampered with."""
    from api.commands.verify import verify_all  # noqa: PLC0415

    chains = asyncio.run(verify_all(_settings()))
    for chain in chains:
        for line in chain.lines:
            typer.echo(line)
    if not chains:
        typer.echo("No decision is recorded yet.")
    raise typer.Exit(0 if all(chain.told["intact"] for chain in chains) else 1)


def main() -> None:
    app()


def _settings() -> Settings:
    try:
        settings = Settings()
    except ValidationError as error:
        for finding in error.errors():
            typer.echo(f"ROADBED_{str(finding['loc'][0]).upper()}: {finding['msg']}", err=True)
        raise typer.Exit(2) from None
    _configure_logs(settings.log_level)
    return settings


def _configure_logs(level_name: str) -> None:
    """One JSON object a line. Tracebacks are without local variables: those hold keys and bodies."""
    logging.basicConfig(level=logging.WARNING)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level_name.upper())),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )


def _fast_loop():  # type: ignore[no-untyped-def]
    try:
        import uvloop  # noqa: PLC0415 - not on every system

        return uvloop.new_event_loop
    except ImportError:
        return asyncio.new_event_loop


if __name__ == "__main__":
    main()
