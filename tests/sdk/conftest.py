"""The packages as their users install them, and a service of real processes."""

import os
import shutil
import tarfile
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.local import Servers
from openapi.sdk import generate
from tests.conftest import TEMPLATE, _ask, _database
from tests.support.processes import Service


@dataclass(frozen=True)
class Packages:
    """`python` goes onto the path; `node` holds node_modules/roadbed."""

    python: Path
    node: Path


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Built from the committed files by the command's own code, and unpacked."""
    folder = tmp_path_factory.mktemp("sdk")
    found = Packages(folder / "python", folder / "node")
    for path in generate.build(folder):
        if path.suffix == ".whl":
            zipfile.ZipFile(path).extractall(found.python)
        else:
            with tarfile.open(path) as tar:
                tar.extractall(folder / "npm", filter="data")
            (found.node / "node_modules").mkdir(parents=True)
            shutil.move(folder / "npm" / "package", found.node / "node_modules" / "roadbed")
    (found.node / "package.json").write_text('{"type": "module"}\n')
    return found


@pytest.fixture(scope="session")
async def service_url(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """One API and one worker, for all tests of this folder, on a database of their own: they outlive their tests."""
    name = f"roadbed_sdk_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    await _ask(servers.database_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    own = Servers(_database(servers.database_url, name), f"{servers.redis_url}?db=8")
    with Service(own, tmp_path_factory.mktemp("service"), {"database_pool": 6}) as service:
        url = service.add_api()
        service.add_worker()
        yield url
    await _ask(servers.database_url, f"DROP DATABASE {name} WITH (FORCE)")
