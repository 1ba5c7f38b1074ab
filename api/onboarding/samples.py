"""One request, written as people write it: for a shell, in Python and in TypeScript, with nothing to install but httpx.

Keys are read from the environment: a sample that is pasted into a chat or a repository shows none.
"""

import json as stdlib_json
import shlex
from typing import Any


def samples(base_url: str, method: str, path: str, body: dict[str, Any] | None) -> dict[str, str]:
    """`path` begins with /v1."""
    return {
        "curl": _curl(f"{base_url}{path}", method, body),
        "python": _python(f"{base_url}{path}", method, body),
        "typescript": _typescript(f"{base_url}{path}", method, body),
    }


def _curl(url: str, method: str, body: dict[str, Any] | None) -> str:
    lines = [f"curl --fail-with-body -X {method} {url}", '-H "Authorization: Bearer $ROADBED_KEY"']
    if body is not None:
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(stdlib_json.dumps(body))}"]
    return " \\\n  ".join(lines)


def _python(url: str, method: str, body: dict[str, Any] | None) -> str:
    given = f", json={body!r}" if body is not None else ""
    return "\n".join(
        [
            "import os",
            "import httpx",
            "",
            'headers = {"Authorization": f"Bearer {os.environ[\'ROADBED_KEY\']}"}',
            f'answer = httpx.request("{method}", "{url}", headers=headers{given})',
            "print(answer.raise_for_status().json())",
        ]
    )


def _typescript(url: str, method: str, body: dict[str, Any] | None) -> str:
    lines = [
        f'const answer = await fetch("{url}", {{',
        f'  method: "{method}",',
        "  headers: {",
        "    Authorization: `Bearer ${process.env.ROADBED_KEY}`,",
    ]
    if body is not None:
        lines += ['    "Content-Type": "application/json",']
    lines += ["  },"]
    if body is not None:
        lines += [f"  body: JSON.stringify({stdlib_json.dumps(body)}),"]
    return "\n".join(
        [*lines, "});", "if (!answer.ok) throw new Error(await answer.text());", "console.log(await answer.json());"]
    )
