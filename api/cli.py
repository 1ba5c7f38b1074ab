"""The `roadbed` command."""

import asyncio
import contextlib
import gc
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from api.commands.remote import JsonOption, KeyOption, UrlOption, install
from api.commands.sentences import sentences
from api.http.findings import sentence
from api.logs import configure
from api.settings import Settings

# `./run` has words beside these; its help is this one.
CALLED_AS = os.environ.get("ROADBED_CALLED_AS", "roadbed")
_OF_THE_CHECKOUT = (
    "For this checkout there are also: test, bench, faults, fuzz, browser, sdk, lock, and score, which scores the "
    "contract by public linters (with a feat_… it scores that feature). The same commands are `.venv/bin/roadbed` for "
    "a PATH."
)

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_OF_THE_CHECKOUT if CALLED_AS == "./run" else None,
    add_completion=False,
    pretty_exceptions_enable=False,
)

STOP_WAIT_S = 10


def _say_version(asked: bool) -> None:
    if asked:
        from api.openapi import VERSION  # noqa: PLC0415 - commands load only what they need

        typer.echo(f"roadbed {VERSION}")
        raise typer.Exit


@app.callback(help="Roadbed: the system of record for product decisions.")
def roadbed(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Of the API, and end.")
    ] = False,
) -> None:
    """What stands before the command."""


@app.command()
def up() -> None:
    """Start everything: a Postgres and a Valkey of its own, the API and the worker."""
    from api.up import run_up  # noqa: PLC0415 - the embedded servers are not needed elsewhere

    raise typer.Exit(run_up(_settings()))


@app.command()
def serve() -> None:
    """Serve the API."""
    import uvicorn  # noqa: PLC0415 - only this command serves

    with _importing():
        import api.main  # noqa: PLC0415
        from api.http.connections import prompt  # noqa: PLC0415

    settings = _settings(serving=True)
    uvicorn.run(
        api.main.served,
        factory=True,
        host=settings.host,
        port=settings.port,
        http=prompt(settings.body_timeout_s, settings.base_url),
        ws="none",
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

    with _importing():
        from workers.run import run_worker  # noqa: PLC0415

    settings = _settings(serving=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_worker(settings))


@app.command()
def migrate(
    to: Annotated[str, typer.Argument(help="A revision, `head`, or `-1` for one back.")] = "head",
) -> None:
    """Bring the tables up to date, or back to a revision."""
    from api.commands.database import embedded, postgres  # noqa: PLC0415

    with _importing():
        import api.models  # noqa: F401, PLC0415
        from api.migrate import migrate_to  # noqa: PLC0415

    url = embedded(_settings(quiet=True)).database_url
    with sentences(), postgres(url):
        migrate_to(url, to)
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
def verify(as_json: JsonOption = False) -> None:
    """Recompute every chain of recorded decisions; ends with 1 when a row was tampered with."""
    from api import json  # noqa: PLC0415
    from api.commands.database import embedded, postgres  # noqa: PLC0415
    from api.commands.verify import verify_all  # noqa: PLC0415

    settings = embedded(_settings(quiet=True))
    with sentences(), postgres(settings.database_url):
        chains = asyncio.run(verify_all(settings))
    for chain in chains:
        for line in [json.dump(chain.as_told)] if as_json else chain.lines:
            typer.echo(line)
    if not chains and not as_json:
        typer.echo("No decision is recorded yet.")
    raise typer.Exit(0 if all(chain.told["intact"] for chain in chains) else 1)


TypesOption = Annotated[list[str] | None, typer.Option("--type", help="An event type or a family like decision.*.")]
AfterOption = Annotated[str, typer.Option("--from", help="now, start, or the id of the last event that you have.")]


@app.command()
def listen(
    forward_to: Annotated[str, typer.Option("--forward-to", help="Where, like http://localhost:3000/hook.")],
    types: TypesOption = None,
    after: AfterOption = "now",
    secret: Annotated[str | None, typer.Option(help="Sign with this whsec_ or whsk_ secret.")] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Forward each event to a local URL, signed, for as long as it runs."""
    from api.commands.connect import find_remote  # noqa: PLC0415 - commands load only what they need
    from api.commands.listen import listen as run  # noqa: PLC0415

    with sentences():
        run(find_remote(url, key), forward_to, types or [], after, secret, as_json)


@app.command()
def tail(
    types: TypesOption = None,
    after: AfterOption = "now",
    as_json: JsonOption = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Print events as they come."""
    from api.commands.connect import find_remote  # noqa: PLC0415
    from api.commands.tail import tail as run  # noqa: PLC0415

    with sentences():
        run(find_remote(url, key), types or [], after, as_json)


@app.command()
def trigger(
    event_type: Annotated[str, typer.Argument(help="A type of the catalogue, like decision.recorded.")],
    as_json: JsonOption = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Send an event type's example to the endpoints that want it."""
    from api.commands.connect import find_remote  # noqa: PLC0415
    from api.commands.replay import trigger as run  # noqa: PLC0415

    with sentences():
        run(find_remote(url, key), event_type, as_json)


@app.command()
def replay(
    endpoint_id: Annotated[str, typer.Argument(help="The endpoint, ep_….")],
    since: Annotated[str, typer.Option(help="RFC 3339, or how long ago: 30m, 2h, 7d.")],
    until: Annotated[str | None, typer.Option(help="The same; now unless given.")] = None,
    types: TypesOption = None,
    only_missing: Annotated[bool, typer.Option("--only-missing", help="Only what it has no delivery of.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    rate: Annotated[int | None, typer.Option(min=1, max=10_000, help="At most so many a second.")] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Send an endpoint the events of a time again, and show how far it is."""
    from api.commands.connect import find_remote  # noqa: PLC0415
    from api.commands.replay import moment  # noqa: PLC0415
    from api.commands.replay import replay as run  # noqa: PLC0415

    with sentences():
        wanted = {
            "since": moment(since),
            "until": None if until is None else moment(until),
            "types": types or None,
            "only_missing": only_missing,
            "dry_run": dry_run,
            "rate_per_s": rate,
        }
        run(find_remote(url, key), endpoint_id, wanted, as_json)


@app.command()
def conformance(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Check what we sign and send against each clause of Standard Webhooks 1.0.0."""
    from api.commands.conformance import report  # noqa: PLC0415

    raise typer.Exit(report(as_json))


install(app)


def main() -> None:
    """Raises SystemExit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that has no ✓ is no reason to fail
    if any("\udc80" <= character <= "\udcff" for word in sys.argv for character in word):
        sys.exit("roadbed: An argument is not UTF-8. Write it in UTF-8.")
    app(prog_name=CALLED_AS)


@contextlib.contextmanager
def _importing() -> Iterator[None]:
    """Classes and functions by the ten thousand are made and none is dropped: looking for garbage costs a quarter."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _settings(*, serving: bool = False, quiet: bool = False) -> Settings:
    """Ends with 2 for a wrong setting. What serves has its secrets looked at, too; it logs to standard output.

    What a person called has a sentence for what went wrong; `quiet` keeps the log's line of the same off the terminal.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        for finding in error.errors():
            typer.echo(f"ROADBED_{str(finding['loc'][0]).upper()}: {sentence(finding)}", err=True)
        raise typer.Exit(2) from None
    if serving and (wrong := _wrong_secret(settings)):
        typer.echo(wrong, err=True)
        raise typer.Exit(2)
    logged = "critical" if quiet and settings.log_level != "debug" else settings.log_level
    configure(logged, sys.stderr if quiet else None)
    return settings


def _wrong_secret(settings: Settings) -> str | None:
    """A sentence about the first secret that is missing or malformed."""
    from api.webhooks.sealing import Sealer, SettingMalformed  # noqa: PLC0415

    try:
        assert settings.pepper_bytes
        Sealer.from_setting(settings.sealing_keys.get_secret_value())
    except SettingMalformed as error:
        way_out = "give it `k1:` and base64 of 32 random bytes (`openssl rand -base64 32`)"
        return f"ROADBED_SEALING_KEYS: {error} Else {way_out}."
    except ValueError as error:
        return str(error)
    return None


if __name__ == "__main__":
    main()
