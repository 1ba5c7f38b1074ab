"""What only the Python client has."""

import os
import subprocess
import sys
from pathlib import Path

from tests.sdk.conftest import Packages

PROGRAM = """
import asyncio, os, sys
from decimal import Decimal
import httpx, pytest, roadbed
from roadbed import AsyncRoadbed, FeatureCreate, FeaturePatch, NULL, Roadbed, problems
"""


def run(packages: Packages, url: str, code: str) -> None:
    """Run a program with the wheel alone on its path; its asserts are the test's."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", PROGRAM + code],
        env=os.environ | {"PYTHONPATH": str(packages.python), "ROADBED_BASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_the_wheel_imports_httpx_and_nothing_else_of_others(packages: Packages) -> None:
    [metadata] = packages.python.glob("*.dist-info/METADATA")
    assert [line for line in metadata.read_text().splitlines() if line.startswith("Requires-Dist")] == [
        "Requires-Dist: httpx>=0.27,<1",
        "Requires-Dist: cryptography>=42 ; extra == 'ed25519'",
    ]
    assert Path(packages.python / "roadbed" / "py.typed").exists()


def test_what_python_adds(packages: Packages, service_url: str) -> None:
    run(
        packages,
        service_url,
        """
told = Roadbed().sign_up(roadbed.Signup(email="ada@example.com", workspace="Acme"))
key = told.live_key.secret

# A context manager closes what it made, and leaves what it was given.
with Roadbed(key) as client:
    feature = client.create_feature(FeatureCreate(title="A", description="B", metadata={"share": Decimal("0.1")}))
with pytest.raises(RuntimeError):
    client.get_feature(feature.id)
own = httpx.Client()
with Roadbed(key, http_client=own) as client:
    pass
assert not own.is_closed
own.close()

# A key that was read from a file ends with its line; what no key can be is said before anything is sent.
with Roadbed(key + "\\n") as client:
    assert client.get_feature(feature.id).id == feature.id
with pytest.raises(ValueError, match="no key has"):
    Roadbed("rb_live_sch\u00fcssel")

# None is not sent, NULL is sent as null, and a Decimal that a float cannot hold is refused.
with Roadbed(key) as client:
    assert client.update_feature(feature.id, FeaturePatch(title="C")).description == "B"
    assert client.update_feature(feature.id, FeaturePatch(description=NULL)).description is None
    assert client.get_feature(feature.id).metadata == {"share": 0.1}
    with pytest.raises(ValueError, match="digits"):
        client.create_feature(FeatureCreate(title="A", metadata={"share": Decimal("0.12345678901234567890")}))

# A stream of events, sync and async, and its refusal with our error.
with Roadbed(key) as client:
    stream = client.stream_events(type_=["feature.created"], after="start")
    assert next(stream).data["type"] == "feature.created"
    stream.close()
with Roadbed("rb_live_nobody") as client, pytest.raises(problems.Unauthenticated):
    next(client.stream_events())


async def main():
    async with AsyncRoadbed(key) as client:
        stream = client.stream_events(type_=["feature.created"], after="start")
        assert (await anext(stream)).data["type"] == "feature.created"
        await stream.aclose()
    async with AsyncRoadbed("rb_live_nobody") as client:
        with pytest.raises(problems.Unauthenticated):
            await anext(client.stream_events())


asyncio.run(main())
""",
    )
