"""A question that many ask at the same time is asked once."""

import asyncio

import pytest

from api.http.once import Once
from api.problems import Unavailable


class Question:
    """Answers, or fails, when it is let go. `times` counts how often it was asked."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.times = 0
        self.go = asyncio.Event()
        self._failure = failure

    async def __call__(self) -> int:
        self.times += 1
        await self.go.wait()
        if self._failure is not None:
            raise self._failure
        return self.times


async def asked(once: Once[int], question: Question, count: int) -> list["asyncio.Task[int]"]:
    tasks = [asyncio.create_task(once.ask("name", question)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_all_who_ask_meanwhile_get_one_answer_and_the_next_asks_anew() -> None:
    once, question = Once[int](), Question()
    tasks = await asked(once, question, 5)
    question.go.set()
    assert await asyncio.gather(*tasks) == [1] * 5
    assert await once.ask("name", question) == 2


async def test_other_names_are_other_questions() -> None:
    once, question = Once[int](), Question()
    question.go.set()
    assert sorted(await asyncio.gather(*(once.ask(name, question) for name in "abc"))) == [1, 2, 3]


async def test_who_asked_first_may_leave() -> None:
    once, question = Once[int](), Question()
    first, second = await asked(once, question, 2)
    first.cancel()
    question.go.set()
    assert await second == 1
    assert first.cancelled()


async def test_a_failure_is_everybodys_and_nobodys_where_all_have_left() -> None:
    once, question = Once[int](), Question(Unavailable("away"))
    stays, leaves = await asked(once, question, 2)
    leaves.cancel()
    question.go.set()
    with pytest.raises(Unavailable):
        await stays
    alone, gone = Question(Unavailable("away")), Once[int]()
    [only] = await asked(gone, alone, 1)
    only.cancel()
    alone.go.set()
    await asyncio.sleep(0.01)  # a warning of an exception that nobody looked at would fail this test
    assert alone.times == 1


async def test_who_asks_when_it_has_just_been_answered_asks_anew() -> None:
    once = Once[int]()
    answers, late = [], []

    async def question() -> int:
        answers.append(len(answers) + 1)
        if len(answers) == 1:
            # It runs before anybody is told of this answer. Who goes on asking would otherwise get it for ever.
            late.append(asyncio.create_task(once.ask("name", question)))
        return answers[-1]

    assert await once.ask("name", question) == 1
    assert await late[0] == 2
