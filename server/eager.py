"""Awaiting without a task what is likely to be there already.

`asyncio.timeout`, a task or a wake-up cost more than what the endpoint mostly awaits: a body that came with its headers, a
transport that takes a frame. So the awaitable is started by hand; when it ends at once nobody has awaited, and when it
does not, it can be awaited from where it stopped, by whoever bounds that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Started(Generic[T]):
    """What was started by hand and has to wait: awaiting this goes on with it, once."""

    __slots__ = ("_awaited", "_steps")

    def __init__(self, steps: Generator[Any, Any, T], awaited: object) -> None:
        self._steps = steps
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, T]:
        steps, awaited = self._steps, self._awaited
        try:
            while True:
                try:
                    value = yield awaited
                except BaseException as error:  # noqa: BLE001 - handed into what is awaited, which decides
                    awaited = steps.throw(error)
                else:
                    awaited = steps.send(value)
        except StopIteration as done:
            result: T = done.value
            return result

    def close(self) -> None:
        """Gives it up."""
        self._steps.close()


def start(awaitable: Awaitable[T]) -> Started[T] | T:
    """Runs it to its first wait: its result when it had none, else what to await for it. Raises what it raises."""
    steps = awaitable.__await__()
    try:
        awaited = next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
    return Started(steps, awaited)
