"""`./run bench NAME`: each bench prints one JSON object as its last line.

A bench is a module with `main(words) -> exit code`. To add one, name it here.
"""

import importlib
import sys

BENCHES = {
    "api": "reads and writes per CPU second, beside a bare limit and a usual service",
    "batch": "rows per CPU second, batches of 1,000 against one at a time",
    "first_run": "seconds from an empty folder to the first scored feature",
    "scale": "the log of 50 million attempts, an event for 10,000 endpoints, 100,000 events in order",
    "roadmap": "reprioritising against one bare SQL statement, simulating, deep pages",
    "search": "milliseconds of a search over many features",
    "webhooks": "throughput, latency, isolation and lateness of deliveries, beside two controls",
}


def main(words: list[str]) -> int:
    if not words or words[0] not in BENCHES:
        print("usage: ./run bench NAME [--json] [its own options]\n", file=sys.stderr)
        for name, what in BENCHES.items():
            print(f"  {name:12} {what}", file=sys.stderr)
        return 2
    told: int = importlib.import_module(f"bench.{words[0]}").main(words[1:])
    return told


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
