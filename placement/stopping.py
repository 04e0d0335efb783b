"""A wish that an answer be given up, and whoever works on it looks out for.

A thread cannot be ended from outside, and a search for an answer that nobody waits for any more would keep a core busy. So
what decides is handed a `Stop` beside its limits and looks at it between steps. While nobody asks it to stop it changes
nothing: what is decided is the same with it and without.
"""

from __future__ import annotations


class Stopped(Exception):
    """The answer was given up because nobody wants it any more. It is no answer and says nothing of the question."""


class Stop:
    """Asked for in one thread, looked at in another."""

    def __init__(self) -> None:
        self._asked = False

    def ask(self) -> None:
        """Asks that the work be given up; for good."""
        self._asked = True

    @property
    def asked(self) -> bool:
        """Whether it was asked for."""
        return self._asked


def look(stop: Stop | None) -> None:
    """Raises Stopped when it was asked for; None never is."""
    if stop is not None and stop.asked:
        raise Stopped
