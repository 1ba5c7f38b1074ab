"""Every `bash` and `python` block of the pages runs, in order, against a served API with a worker.

A block that should be refused says with what: ```bash 412. All other calls in it must succeed.
"""

import asyncio
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from api.docs.pages import FOLDER

TIMEOUT_S = 120.0
_BLOCK = re.compile(r"^```(bash|python)(?: ([0-9]{3}))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The reader's curl, which writes down how each call was answered. Variables of a page are there for its Python too.
_PREAMBLE = """
set -euo pipefail
set -a
curl() { command curl -sS "$@" -w '%{stderr}%{http_code}\\n' 2>>"$ANSWERS"; }
expect() {
    if grep -vE "^($1)\\$" "$ANSWERS"; then echo "block $2 was not answered $1" >&2; exit 1; fi
    : >"$ANSWERS"
}
: >"$ANSWERS"
"""


@dataclass(frozen=True)
class Block:
    language: str
    status: str
    code: str


def blocks_of(source: str) -> list[Block]:
    return [Block(*match) for match in _BLOCK.findall(source)]


PAGES = [path.relative_to(FOLDER).as_posix() for path in sorted(FOLDER.rglob("*.md")) if blocks_of(path.read_text())]


@pytest.mark.parametrize("name", PAGES)
async def test_the_snippets_of_a_page_run(served: str, tmp_path: Path, name: str) -> None:
    if not all(shutil.which(program) for program in ("bash", "curl", "grep")):
        pytest.skip("the pages are written for bash and curl")
    script = _script(blocks_of((FOLDER / name).read_text()), tmp_path)

    code, output = await _run(script, tmp_path, await _environment(served, tmp_path))

    assert code == 0, output[-4000:]


def test_a_refused_call_fails_its_page(tmp_path: Path) -> None:
    """The harness itself: `expect` must be able to fail."""
    assert "expect 2..|304 1" in _script([Block("bash", "", "true\n")], tmp_path).read_text().replace("'", "")
    assert "expect 412 1" in _script([Block("bash", "412", "true\n")], tmp_path).read_text().replace("'", "")


async def test_an_unexpected_answer_is_seen(served: str, tmp_path: Path) -> None:
    script = _script([Block("bash", "", "curl $URL/v1/features\n")], tmp_path)

    code, output = await _run(script, tmp_path, await _environment(served, tmp_path))

    assert code != 0
    assert "block 1 was not answered" in output


def _script(blocks: list[Block], folder: Path) -> Path:
    lines = [_PREAMBLE]
    for number, block in enumerate(blocks, 1):
        lines.append(f'echo "── block {number}"')
        if block.language == "python":
            file = folder / f"block_{number}.py"
            file.write_text(block.code)
            lines.append(f"python -W error {file}")
        else:
            lines.append(block.code)
        lines.append(f"expect '{block.status or '2..|304'}' {number}")
    script = folder / "page.sh"
    script.write_text("\n".join(lines))
    return script


async def _environment(url: str, folder: Path) -> dict[str, str]:
    """A workspace of its own for each page, as `./run` gives one to a reader."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        answer = await client.post("/v1/signup", json={"email": "ada@example.com", "workspace": "Docs"})
        keys = answer.raise_for_status().json()
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "URL": url,
        "KEY": keys["live_key"]["secret"],
        "TEST_KEY": keys["test_key"]["secret"],
        "ANSWERS": str(folder / "answers"),
        "PYTHONPATH": "",
        "NO_PROXY": "127.0.0.1",
    }


async def _run(script: Path, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    log = folder / "output"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            "bash",
            str(script),
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        code = await asyncio.wait_for(process.wait(), TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        pytest.fail(f"The page's snippets did not end in time:\n{log.read_text(errors='replace')[-4000:]}")
    return code, log.read_text(errors="replace")
