"""Advance long work: claim what is due, run its steps, and let go after a while so that others get their turn.

Each step runs in a transaction of the workspace that started it, with the application's role; only claiming is done
with the worker's. A killed worker's operation is due again when its lease ends, at the step that was not written.
"""

import asyncio
import time
from collections.abc import Sequence

import structlog

from api.operations.advance import (
    Claimed,
    ClaimLost,
    claim,
    fail,
    release,
    seconds_to_next,
    write_step,
)
from api.operations.start import Kind, Work
from api.problems import Problem
from api.stores import Stores
from api.webhooks.finished import tell_finished
from api.webhooks.replay import REDELIVERY, REPLAY

log = structlog.get_logger()

# Every kind of long work; a slice adds its own here.
KINDS: tuple[Kind, ...] = (REPLAY, REDELIVERY)

MOST_AT_ONCE = 4
SLICE_S = 1.0
LEASE_S = 60.0
MOST_FAILURES = 8
LONGEST_PAUSE_S = 60.0
RETRY_STORE_S = 0.5
LAST_STEP_S = 10.0


class Operator:
    """One worker's share of the operations. `run` ends after `stop` is set, once the steps under way are written."""

    def __init__(
        self,
        stores: Stores,
        app_stores: Stores,
        kinds: Sequence[Kind] = KINDS,
        *,
        bell: asyncio.Event | None = None,
        lease_s: float = LEASE_S,
    ) -> None:
        self._stores = stores
        self._app_stores = app_stores
        self._kinds = {kind.name: kind for kind in kinds}
        self._lease_s = lease_s
        self.bell = bell or asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Advance operations until `stop`. What a hard stop breaks off is rolled back, and due when its lease ends."""
        while not stop.is_set():
            self.bell.clear()
            await self._claim_some(stop)
            if not stop.is_set():
                await self._wait(stop)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=LAST_STEP_S)
        for task in self._under_way:
            task.cancel()

    async def _claim_some(self, stop: asyncio.Event) -> None:
        room = MOST_AT_ONCE - len(self._under_way)
        if room <= 0 or not self._kinds:
            return
        try:
            async with self._stores.transaction() as tx:
                claimed = await claim(tx, list(self._kinds), room, self._lease_s)
                await tx.commit()
        except Problem as problem:
            log.warning("operations_claim_failed", error=problem.message)
            await asyncio.sleep(RETRY_STORE_S)
            return
        for operation in claimed:
            task = asyncio.create_task(self._advance(operation, stop))
            self._under_way.add(task)
            task.add_done_callback(self._let_go)

    async def _wait(self, stop: asyncio.Event) -> None:
        """Until the bell rings, a hand is free, the next is due, or the sweep."""
        timeout = self._stores.settings.sweep_s
        if len(self._under_way) < MOST_AT_ONCE:
            try:
                async with self._stores.transaction() as tx:
                    until_due = await seconds_to_next(tx)
            except Problem:
                until_due = RETRY_STORE_S
            if until_due is not None:
                # Never faster than this: what is due may be of a kind that another worker knows.
                timeout = min(timeout, max(until_due, 0.02))
        waits = [asyncio.create_task(self.bell.wait()), asyncio.create_task(stop.wait())]
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _let_go(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self.bell.set()
        if not task.cancelled() and task.exception() is not None:
            log.error("operation_lost", exc_info=task.exception())

    async def _advance(self, claimed: Claimed, stop: asyncio.Event) -> None:
        """Steps, until it ends, rests, or its slice of time is over."""
        try:
            if claimed.failures > MOST_FAILURES:
                await self._fail(claimed, "gave_up", "Its step was tried again and again, and never ended.")
                return
            until = time.monotonic() + SLICE_S
            going: Claimed | None = claimed
            while going is not None:
                going = await self._step(going, last=stop.is_set() or time.monotonic() >= until)
        except ClaimLost:
            log.info("operation_claim_lost", operation=str(claimed.work.operation_id))
        except Problem as problem:
            await self._after_problem(claimed, problem)
        except Exception as error:
            log.error("operation_step_failed", kind=claimed.kind, exc_info=error)
            await self._try_later(
                claimed, "internal_error", "It broke on our side, again and again. We have logged it."
            )

    async def _step(self, claimed: Claimed, *, last: bool) -> Claimed | None:
        """One step and its progress in one transaction. Gives the claim to go on with, or None when it was let go."""
        async with self._app_stores.transaction(claimed.scope) as tx:
            moved = await self._kinds[claimed.kind].step(tx, claimed.work)
            goes_on = not (last or moved.finished or moved.wait_s)
            await write_step(tx, claimed, moved, tell_finished, keep_s=self._lease_s if goes_on else 0)
            await tx.commit()
        if not goes_on:
            return None
        before = claimed.work
        work = Work(before.operation_id, before.params, moved.state, moved.done, moved.total)
        return Claimed(claimed.scope, claimed.claim, claimed.kind, 1, work)

    async def _after_problem(self, claimed: Claimed, problem: Problem) -> None:
        if problem.status >= 500:
            await self._try_later(claimed, problem.code, problem.message)
        else:
            await self._fail(claimed, problem.code, problem.message)

    async def _try_later(self, claimed: Claimed, code: str, message: str) -> None:
        if claimed.failures >= MOST_FAILURES:
            await self._fail(claimed, code, message)
            return
        delay_s = min(0.5 * 2**claimed.failures, LONGEST_PAUSE_S)
        try:
            async with self._app_stores.transaction(claimed.scope) as tx:
                await release(tx, claimed, delay_s)
                await tx.commit()
        except (ClaimLost, Problem) as error:
            # Nothing is lost: the lease ends by itself.
            log.warning("operation_not_released", error=repr(error))

    async def _fail(self, claimed: Claimed, code: str, message: str) -> None:
        try:
            async with self._app_stores.transaction(claimed.scope) as tx:
                await fail(tx, claimed, code, message, tell_finished)
                await tx.commit()
        except (ClaimLost, Problem) as error:
            log.warning("operation_not_failed", error=repr(error))
