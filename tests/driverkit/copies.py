"""Where copies of what must never run twice run, read from the log of a simulated backend as it grows.

A copy is what has replicas at a place; an object without any is none. One that comes while another one of its component is
there is a failure, unless one of the two is at a place that was declared lost: whoever gives that word answers for what runs
there, and for what was on its way there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from drivers.simulated.effects import Effect, Outcome
from drivers.simulated.world import HAND


class Copies:
    """The copies of components that are to run at one place only, each at most once at a time.

    A name is the deployment's, the component's, and a digest of the place.
    """

    def __init__(self, *, of: Callable[[str], bool] = lambda name: True) -> None:
        """`of` says by its name whether an object must never run twice."""
        self._of = of
        self._there: dict[str, set[str]] = {}
        """Names of the copies that run, by what they are copies of."""
        self._answered_for: dict[str, int] = {}
        """By name the newest generation that may have been sent to a place before it was declared lost."""
        self.read_to = 0
        """The number of the last effect that was read."""
        self.moved = 0
        """How many copies came where none was."""

    def declare_lost(self, sent: Mapping[str, int]) -> None:
        """Somebody's word that nothing runs at a place: the generations, by name, of what may have been sent there."""
        self._answered_for.update(sent)

    def at_rest(self) -> None:
        """All places answer and nothing is on its way: no word excuses anything any more."""
        self._answered_for.clear()

    def read(self, effects: Iterable[Effect]) -> list[str]:
        """Each copy that came while another was there, among effects that come after those read before."""
        found: list[str] = []
        for one in effects:
            self.read_to = one.number
            if one.outcome is Outcome.DONE and self._of(one.name):
                found += self._taken_in(one)
        return found

    def _taken_in(self, effect: Effect) -> list[str]:
        name = effect.name
        there = self._there.setdefault(name.rpartition("-")[0], set())
        if effect.by != HAND and effect.generation > self._answered_for.get(name, effect.generation):
            del self._answered_for[name]
        if not effect.replicas:
            there.discard(name)
            return []
        new = name not in there
        there.add(name)
        if effect.by == HAND or not new:
            return []
        self.moved += 1
        if name in self._answered_for:
            return []
        return [f"{name} came while {other} was there" for other in sorted(there - {name} - set(self._answered_for))]
