"""What a worker knows of one endpoint: its places, and what happens when the endpoint asks for more or fewer."""

import asyncio

from api.webhooks.claims import NO_LANE
from workers.lanes import Lane, Lanes


async def entered(lane: Lane, count: int) -> list[asyncio.Task[None]]:
    """So many who want a place, after each has had the time to get one."""
    tasks = [asyncio.create_task(lane.enter()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def inside(tasks: list[asyncio.Task[None]]) -> int:
    for _ in range(3):
        await asyncio.sleep(0)
    return sum(task.done() for task in tasks)


async def let_go(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_a_lowered_limit_holds_from_the_next_place_on() -> None:
    lane = Lane(NO_LANE, 4, None)
    tasks = await entered(lane, 6)
    lane.max_in_flight = 2
    for _ in range(2):
        lane.leave()

    assert await inside(tasks) == 4
    lane.leave()
    assert await inside(tasks) == 5
    await let_go(tasks)


async def test_a_raised_limit_lets_those_in_who_wait() -> None:
    lane = Lane(NO_LANE, 1, None)
    tasks = await entered(lane, 4)
    lane.max_in_flight = 3
    lane.leave()

    assert await inside(tasks) == 4
    await let_go(tasks)


async def test_who_gives_up_waiting_takes_no_place() -> None:
    lane = Lane(NO_LANE, 1, None)
    tasks = await entered(lane, 3)
    tasks[1].cancel()
    lane.leave()

    assert await inside(tasks) == 3
    assert not tasks[2].cancelled()
    lane.leave()
    assert lane.left == 1
    await let_go(tasks)


def test_of_an_endpoint_that_nobody_knows_its_own_limit_is_asked() -> None:
    lanes = Lanes()
    assert lanes.with_room([NO_LANE]) == [NO_LANE]
    assert lanes.room_of([NO_LANE]) == lanes.room() == {}
