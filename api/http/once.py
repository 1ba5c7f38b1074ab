"""One at a time for each name: whoever asks while somebody else's question is under way gets the same answer."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Questions under way. Each runs in a task of its own, so that who asked first may leave without harm."""

    def __init__(self) -> None:
        self._asked: dict[Hashable, asyncio.Task[T]] = {}

    async def ask(self, name: Hashable, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Raises what the question raises, to everyone who waits for it."""
        task = self._asked.get(name)
        # One that has ended says what was so before this question: who goes on asking would get it for ever.
        if task is None or task.done():
            task = self._asked[name] = asyncio.create_task(question())
            task.add_done_callback(lambda done: self._answered(name, done))
        return await asyncio.shield(task)

    def _answered(self, name: Hashable, task: "asyncio.Task[T]") -> None:
        if self._asked.get(name) is task:
            del self._asked[name]
        if not task.cancelled():
            task.exception()  # whoever asked may be gone: then nobody else looks at it
