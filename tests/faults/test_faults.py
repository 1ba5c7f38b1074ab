"""The fault harness itself, run as its command: short, and every kind of fault at least once."""

import json
import subprocess
import sys

from tests.faults.chaos import KINDS
from tests.support.processes import ROOT


def test_nothing_is_lost_when_everything_is_killed_at_random() -> None:
    command = [sys.executable, "-m", "tests.faults", "--json", "--seconds", "35", "--rate", "25"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stdout, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["ok"], f"{told['broken']}\n{done.stderr[-4000:]}"
    assert done.returncode == 0
    assert told["lost"] == 0
    assert set(KINDS) <= set(told["kills"])
    # Proof that there was something to lose, and that the receiver was the one that heard of it.
    assert told["events"] > 100
    assert told["deliveries"] >= told["events"] * 2 - told["dead"]
