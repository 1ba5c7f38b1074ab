"""Faults: each is done to the service, and mended as a supervisor would. The same seed gives the same faults."""

import contextlib
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import redis

from api.local import LocalServers
from tests.faults.world import World, wait_for
from tests.support.processes import Service, children

RECOVERY_LIMIT_S = 60.0
LONGEST_ABSENCE_S = 0.5
LONGEST_QUIET_S = 0.8
# How often each is chosen once every kind has been had.
KINDS = {
    "worker": 6,
    "api": 5,
    "postgres": 4,
    "redis": 3,
    "backend": 2,
    "all": 2,
    "flushall": 2,
    "stopped_worker": 1,
}
KILLS = ("worker", "api", "postgres", "redis", "backend", "all")


@dataclass
class Toll:
    """What was done, and how long it took until events flowed again."""

    faults: Counter[str] = field(default_factory=Counter)
    recovery_s: list[tuple[str, float]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(self.faults[kind] for kind in KILLS)


class Chaos:
    """Works from the main thread, so that what it starts dies with it."""

    def __init__(self, local: LocalServers, service: Service, world: World, seed: int, lease_s: float) -> None:
        self._local = local
        self._service = service
        self._world = world
        self._random = random.Random(seed)
        self._lease_s = lease_s
        self.toll = Toll()

    def run(self, kills: int, seconds: float) -> Toll:
        """Until so many kills are done, so much time has passed and each kind was had, however slow the machine."""
        began = time.monotonic()
        for kind in self._kinds():
            if len(self.toll.faults) == len(KINDS) and self.toll.kills >= kills and time.monotonic() - began >= seconds:
                break
            self._inflict(kind)
            time.sleep(self._random.uniform(0.2, LONGEST_QUIET_S))
        return self.toll

    def _kinds(self) -> Iterator[str]:
        """Each once in any order, then by weight, for ever."""
        first = list(KINDS)
        self._random.shuffle(first)
        yield from first
        while True:
            yield from self._random.choices(list(KINDS), list(KINDS.values()))

    def _inflict(self, kind: str) -> None:
        fault: Callable[[], float] = getattr(self, f"_{kind}")
        self._see_that_all_run()
        since = fault()
        self.toll.faults[kind] += 1
        # One in five is hit again before it has found its feet.
        if self._random.random() < 0.2:
            say(f"{self.toll.kills:4} kills  {kind:15} not waited for")
            return
        self._measure(kind, since)

    def _measure(self, kind: str, since: float) -> None:
        found = wait_for(lambda: self._world.recovered_at(since) is not None, RECOVERY_LIMIT_S)
        at = self._world.recovered_at(since)
        if not found or at is None:
            self.toll.broken.append(f"I10 nothing was delivered for {RECOVERY_LIMIT_S:.0f} s after {kind}")
            return
        self.toll.recovery_s.append((kind, at - since))
        say(f"{self.toll.kills:4} kills  {kind:15} recovered in {at - since:5.2f} s")

    def _see_that_all_run(self) -> None:
        """Nothing may fall that was not felled: a program of ours that ends because another went away is a defect."""
        for program in self._service.programs():
            if not program.alive:
                self.toll.broken.append(f"I10 a {program.word} ended by itself: {program.said()[-300:]}")
                program.start()
        for name in self._local.fallen():
            self.toll.broken.append(f"I10 {name} ended by itself")
            self._mend({name})

    # -- the faults; each gives the moment from which recovery counts --------------------------------------------------

    def _worker(self) -> float:
        since = time.monotonic()
        for worker in self._service.workers:
            worker.kill()
        self._absence()
        self._mend(set())
        return since

    def _api(self) -> float:
        since = time.monotonic()
        for api in self._service.apis:
            api.kill()
        self._absence()
        self._mend(set())
        return since

    def _redis(self) -> float:
        since = time.monotonic()
        os.kill(self._local.redis_pid, signal.SIGKILL)
        self._absence()
        self._mend({"redis"})
        return since

    def _postgres(self) -> float:
        since = time.monotonic()
        self._kill_postgres()
        self._absence()
        self._mend({"postgres"})
        return since

    def _backend(self) -> float:
        """One of Postgres's own processes: it then throws out all clients and recovers from its log by itself."""
        since = time.monotonic()
        backends = children(self._local.postgres_pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._random.choice(backends), signal.SIGKILL)
        return since

    def _all(self) -> float:
        since = time.monotonic()
        for program in self._service.programs():
            program.kill()
        self._kill_postgres()
        os.kill(self._local.redis_pid, signal.SIGKILL)
        self._absence()
        self._mend({"postgres", "redis"})
        return since

    def _flushall(self) -> float:
        since = time.monotonic()
        with contextlib.closing(redis.Redis.from_url(self._local.redis_url)) as client:
            client.flushall()
        return since

    def _stopped_worker(self) -> float:
        """Past its lease, so that what it holds is claimed by another before it goes on. Counts from its return."""
        worker = self._random.choice(self._service.workers)
        worker.freeze()
        time.sleep(self._lease_s + self._random.uniform(0.2, 1.5))
        worker.thaw()
        return time.monotonic()

    def _kill_postgres(self) -> None:
        """Half of the time the postmaster alone, whose children must notice; else the whole family at one instant."""
        family = [self._local.postgres_pid]
        if self._random.random() < 0.5:
            family += children(self._local.postgres_pid)
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _absence(self) -> None:
        time.sleep(self._random.uniform(0, LONGEST_ABSENCE_S))

    def _mend(self, servers: set[str]) -> None:
        """Start what is dead."""
        if "postgres" in servers:
            self._local.restart_postgres()
        if "redis" in servers:
            self._local.restart_redis()
        for program in self._service.programs():
            if not program.alive:
                program.start()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
