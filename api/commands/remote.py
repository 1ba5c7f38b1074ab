"""The commands that talk to a service over HTTP, with a key: what they are called and what they take."""

from pathlib import Path
from typing import Annotated

import typer

from api.commands.sentences import sentences

UrlOption = Annotated[str | None, typer.Option("--url", help="The service; else ROADBED_URL, else run.json of ./run.")]
KeyOption = Annotated[str | None, typer.Option("--key", help="An API key; else ROADBED_KEY, else that of run.json.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

keys_app = typer.Typer(no_args_is_help=True, help="API keys: list, create, rotate, revoke.")
features_app = typer.Typer(no_args_is_help=True, help="Features: list, add.")


def install(app: typer.Typer) -> None:
    """Add them to the `roadbed` command."""
    app.add_typer(keys_app, name="keys")
    app.add_typer(features_app, name="features")
    for command in (score, reprioritize, decide, export, tutorial, doctor, mcp):
        app.command()(command)


@keys_app.command("list")
def list_keys(as_json: JsonOption = False, url: UrlOption = None, key: KeyOption = None) -> None:
    """The keys of the workspace and mode, with when each was last used."""
    with sentences():
        from api.commands import connect, product  # noqa: PLC0415 - commands load only what they need

        product.list_keys(connect.find_remote(url, key), as_json)


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What it is for, like CI.")],
    scopes: Annotated[list[str], typer.Option("--scope", help="Like features:read; give it again for more.")],
    expires_at: Annotated[str | None, typer.Option(help="RFC 3339; never unless given.")] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Make a key. Its secret is shown once."""
    with sentences():
        from api.commands import connect, product  # noqa: PLC0415

        product.create_key(connect.find_remote(url, key), name, scopes, expires_at, as_json)


@keys_app.command("rotate")
def rotate_key(
    key_id: Annotated[str, typer.Argument(help="key_….")],
    overlap_s: Annotated[int, typer.Option(min=0, max=604_800, help="Seconds until the old one expires.")] = 86_400,
    as_json: JsonOption = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Make a new secret with the same scopes; the old one works until the overlap is over."""
    with sentences():
        from api.commands import connect, product  # noqa: PLC0415

        product.rotate_key(connect.find_remote(url, key), key_id, overlap_s, as_json)


@keys_app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="key_….")],
    as_json: JsonOption = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """End a key at once."""
    with sentences():
        from api.commands import connect, product  # noqa: PLC0415

        product.revoke_key(connect.find_remote(url, key), key_id, as_json)


@features_app.command("list")
def list_features(
    status: Annotated[list[str] | None, typer.Option("--status", help="Like planned; give it again for more.")] = None,
    most: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many.")] = 50,
    as_json: JsonOption = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Features, newest first."""
    with sentences():
        from api.commands import connect, product  # noqa: PLC0415

        product.list_features(connect.find_remote(url, key), status or [], most, as_json)


@features_app.command("add")
def add_feature(
    title: Annotated[str, typer.Argument()],
    description: Annotated[str | None, typer.Option()] = None,
    status: Annotated[
        str | None, typer.Option(help="idea, candidate, planned, in_progress, shipped or dropped.")
    ] = None,
    bucket: Annotated[str | None, typer.Option(help="product, technical or innovation.")] = None,
    labels: Annotated[list[str] | None, typer.Option("--label")] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Make a feature."""
    with sentences():
        from api.commands import connect, product  # noqa: PLC0415

        fields = {"title": title, "description": description, "status": status, "bucket": bucket, "labels": labels}
        product.add_feature(connect.find_remote(url, key), fields, as_json)


def score(
    feature_id: Annotated[str, typer.Argument(help="feat_….")],
    inputs: Annotated[list[str], typer.Argument(help="reach=5000 impact=1 confidence=0.8 effort=0.5")],
    framework: Annotated[str, typer.Option(help="As GET /v1/frameworks lists them.")] = "rice",
    as_json: JsonOption = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Score a feature; the value is computed by the service, exactly."""
    with sentences():
        from api.commands import connect, product  # noqa: PLC0415

        product.score(connect.find_remote(url, key), feature_id, framework, inputs, as_json)


def reprioritize(
    framework: Annotated[str | None, typer.Option()] = None,
    reason: Annotated[str | None, typer.Option(help="Why; a frozen roadmap needs one.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would move.")] = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Rank the roadmap by the latest scores."""
    with sentences():
        from api.commands import connect, product  # noqa: PLC0415

        product.reprioritize(connect.find_remote(url, key), framework, reason, dry_run, as_json)


def decide(
    decision_id: Annotated[str, typer.Argument(help="dec_…, a draft.")],
    chosen: Annotated[str, typer.Argument(help="The key of the option.")],
    rationale: Annotated[str, typer.Option(help="Why: it is kept for ever.")],
    by: Annotated[str | None, typer.Option(help="Who decided.")] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Record a decision: it is frozen, and endpoints are told."""
    with sentences():
        from api.commands import connect, product  # noqa: PLC0415

        product.decide(connect.find_remote(url, key), decision_id, chosen, rationale, by, as_json)


def export(
    out: Annotated[
        Path | None,
        typer.Argument(help="A file like all.jsonl, or a folder, which gets what can be imported again, too."),
    ] = None,
    also: Annotated[list[str] | None, typer.Option(help="A part that is left out, like list_audit.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="A part to leave out, like list_endpoints.")] = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Everything of the workspace and mode, one JSON object a line; to standard output unless told where."""
    with sentences():
        from api.commands import connect  # noqa: PLC0415
        from api.commands.export import export as run  # noqa: PLC0415

        run(connect.find_remote(url, key), out, also or [], without or [])


def tutorial(
    language: Annotated[str, typer.Option(help="curl, python or typescript.")] = "curl",
    do_all: Annotated[bool, typer.Option("--yes", help="Take every step for me.")] = False,
    wait_s: Annotated[float, typer.Option(min=1, max=3600, help="How long to wait for a step.")] = 300,
    email: Annotated[
        str | None, typer.Option(help="Sign up with it first, and begin in a workspace of your own.")
    ] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """From the first key to a recorded decision, a step at a time."""
    with sentences():
        from api.commands import connect  # noqa: PLC0415
        from api.commands.tutorial import sign_up  # noqa: PLC0415
        from api.commands.tutorial import tutorial as run  # noqa: PLC0415

        remote = connect.find_remote(url, key if email is None else "none")
        run(remote if email is None else sign_up(remote.url, email, as_json), language, do_all, wait_s, as_json)


def doctor(as_json: JsonOption = False, url: UrlOption = None, key: KeyOption = None) -> None:
    """Check the service, the key, the clock, endpoints and deliveries; ends with 1 when something failed."""
    with sentences():
        from api.commands import connect  # noqa: PLC0415
        from api.commands.doctor import doctor as run  # noqa: PLC0415

        raise typer.Exit(run(connect.find_remote(url, key), as_json))


def mcp(
    http: Annotated[bool, typer.Option("--http", help="Over HTTP at /mcp; each caller sends its own key.")] = False,
    host: Annotated[str, typer.Option(help="Where it listens, with --http.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="With --http.")] = 8765,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Serve agents: tools and prompts over MCP, on standard input and output unless --http."""
    with sentences():
        from api.commands import connect  # noqa: PLC0415
        from api.commands import mcp as run  # noqa: PLC0415

        remote = connect.find_remote(url, "none" if http and key is None else key)
        run.http(remote.url, host, port) if http else run.stdio(remote)
