"""For whom the bell rings: Postgres names the endpoints of an event, and whoever hears it knows where to look."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest

from api.db import parse_id
from api.settings import Settings
from api.webhooks.claims import MOST_LANES, Lane
from api.webhooks.outbox import MOST_NAMED
from tests.support.workspace import Workspace
from workers.bell import Bell
from workers.deliver import listen

HOOK = "http://127.0.0.1:59999/hook"
ELSEWHERE: Lane = (UUID(int=1), True, UUID(int=2))


@pytest.fixture
async def heard(settings: Settings) -> AsyncIterator[Bell]:
    """A bell that hears Postgres, and has been looked at once: the connection stood anew."""
    bell = Bell()
    listening = asyncio.create_task(listen(settings, bell))
    await _rung(bell)
    assert bell.take() == ([], False, True)
    yield bell
    listening.cancel()
    await asyncio.wait([listening])


async def _rung(bell: Bell) -> None:
    async with asyncio.timeout(10):
        await bell.wait()


async def test_an_event_names_the_endpoints_that_it_is_for(workspace: Workspace, heard: Bell) -> None:
    wanted = [await workspace.endpoint(f"{HOOK}/{number}", "feature.created") for number in range(2)]
    await workspace.endpoint(HOOK, "decision.*")
    await workspace.feature()
    await _rung(heard)
    lanes, in_order, everything = heard.take()
    assert {lane[2] for lane in lanes} == {parse_id("ep", one["id"]) for one in wanted}
    assert {lane[:2] for lane in lanes} == {(parse_id("ws", workspace.id), True)}
    assert (in_order, everything) == (False, False)


async def test_what_goes_in_an_order_is_told_without_a_name(workspace: Workspace, heard: Bell) -> None:
    await workspace.endpoint(HOOK, "feature.created", ordering="endpoint")
    await workspace.feature()
    await _rung(heard)
    assert heard.take() == ([], True, False)


async def test_an_event_for_more_than_can_be_named_asks_for_everything(workspace: Workspace, heard: Bell) -> None:
    for number in range(MOST_NAMED + 1):
        await workspace.endpoint(f"{HOOK}/{number}", "feature.created")
    await workspace.feature()
    await _rung(heard)
    assert heard.take() == ([], False, True)


async def test_an_event_for_nobody_rings_no_bell(workspace: Workspace, heard: Bell) -> None:
    await workspace.feature()
    await workspace.endpoint(HOOK, "feature.created")
    await workspace.feature()
    await _rung(heard)
    lanes, _, everything = heard.take()
    assert (len(lanes), everything) == (1, False)


@pytest.mark.parametrize("payload", [None, "", "nonsense", "a/b/c", "/true/", f"{UUID(int=1)}/true/x,y", "//,,/other"])
def test_what_cannot_be_read_asks_for_everything(payload: str | None) -> None:
    bell = Bell()
    bell.hear(payload)
    assert bell.is_set()
    assert bell.take() == ([], False, True)


def test_more_names_than_can_be_looked_at_ask_for_everything_too() -> None:
    bell = Bell()
    for number in range(MOST_LANES + 1):
        bell.name((UUID(int=1), True, UUID(int=number)))
    assert bell.take()[2] is True


@pytest.mark.parametrize("ring", [Bell.set, Bell.in_order, lambda bell: bell.name(ELSEWHERE)])
def test_what_was_taken_is_not_rung_again(ring: Callable[[Bell], None]) -> None:
    bell = Bell()
    ring(bell)
    bell.take()
    assert not bell.is_set()
    assert bell.take() == ([], False, False)


def test_a_look_at_everything_serves_who_called_for_room_and_news_is_looked_at_first_all_the_same() -> None:
    bell = Bell()
    bell.call((UUID(int=1), True, UUID(int=3)))
    bell.name(ELSEWHERE)
    assert bell.take(everything=True) == ([ELSEWHERE], False, True)
    bell.call((UUID(int=1), True, UUID(int=3)))
    bell.name(ELSEWHERE)
    assert bell.take() == ([ELSEWHERE, (UUID(int=1), True, UUID(int=3))], False, False)
