"""Regular expressions that somebody else wrote, matched in time that grows with the text and nothing worse.

The library's engine goes back and forth: a pattern of ten characters can keep it busy for years, and nothing can stop it.
Here a pattern becomes a set of states that all advance together (Thompson, 1968), so a text of n characters takes at most n
times the pattern's states, and each of those steps is counted. What cannot be had so (looking around, going back to a group)
is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

MAX_STATES = 2_000
MAX_REPEAT = 1_000
_CLASSES: dict[str, Callable[[str], bool]] = {
    "d": lambda one: "0" <= one <= "9",
    "w": lambda one: one == "_" or (one.isascii() and one.isalnum()),
    "s": str.isspace,
}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}
Takes = Callable[[str], bool]


class UnknownPattern(ValueError):
    """A pattern that is none, or that this engine does not know."""

    size = 0
    """How many states were made of it until that was found."""


class BadPattern(UnknownPattern):
    """A pattern that is none by ECMA 262 either."""


class _State:
    """What is done at one place of a pattern: takes a character, looks where it is, or goes on at several places."""

    __slots__ = ("at", "out", "takes")

    def __init__(self, takes: Takes | None = None, at: str = "") -> None:
        self.takes = takes
        self.at = at
        """`^` or `$`: goes on only there."""
        self.out: list[_State] = []


class _Part(NamedTuple):
    """A piece of a pattern, with where it begins and where it ends."""

    first: _State
    last: _State


class Pattern:
    """A compiled pattern, found anywhere in a text unless it says where."""

    def __init__(self, text: str) -> None:
        """Raises UnknownPattern, and BadPattern for one that is none anywhere."""
        reader = _Reader(text)
        try:
            part = reader.alternatives()
            if reader.at < len(text):
                raise BadPattern("there is a parenthesis too many")
        except UnknownPattern as unknown:
            unknown.size = reader.states
            raise
        self._first, self._last = part
        self.size = reader.states
        """How many states it has."""

    def found_in(self, text: str, *, spend: Callable[[int], None]) -> bool:
        """Whether it is somewhere in the text. `spend` is told of every step."""
        states: set[_State] = set()
        for at in range(len(text) + 1):
            states.add(self._first)
            states = self._reached(states, begin=at == 0, end=at == len(text))
            spend(1 + len(states))
            if self._last in states:
                return True
            if at < len(text):
                one = text[at]
                states = {
                    after for state in states if state.takes is not None and state.takes(one) for after in state.out
                }
        return False

    def _reached(self, states: set[_State], *, begin: bool, end: bool) -> set[_State]:
        reached = set(states)
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            if state.takes is not None or (state.at == "^" and not begin) or (state.at == "$" and not end):
                continue
            for after in state.out:
                if after not in reached:
                    reached.add(after)
                    waiting.append(after)
        return reached


class _Reader:
    """Reads a pattern of ECMA 262 from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._depth = 0
        self.states = 0

    def alternatives(self) -> _Part:
        """Everything up to the end of a group."""
        self._depth += 1
        if self._depth > 50:
            raise UnknownPattern("its groups lie too deep in each other")
        parts = [self._sequence()]
        while self._peek() == "|":
            self.at += 1
            parts.append(self._sequence())
        self._depth -= 1
        if len(parts) == 1:
            return parts[0]
        first, last = self._state(), self._state()
        for one in parts:
            first.out.append(one.first)
            one.last.out.append(last)
        return _Part(first, last)

    def _sequence(self) -> _Part:
        first = self._state()
        last = first
        while self._peek() not in ("", "|", ")"):
            began = self.at
            part = self._atom()
            for least, most in self._repeats():
                part = self._repeated(began, part, least, most)
            last.out.append(part.first)
            last = part.last
        return _Part(first, last)

    def _repeats(self) -> list[tuple[int, int | None]]:
        one = self._peek()
        if one in ("*", "+", "?"):
            self.at += 1
            found: tuple[int, int | None] = {"*": (0, None), "+": (1, None), "?": (0, 1)}[one]
        elif one == "{":
            end = self.text.find("}", self.at)
            low, comma, high = self.text[self.at + 1 : max(end, 0)].partition(",")
            if end < 0 or not low.isdecimal() or (high and not high.isdecimal()):
                raise UnknownPattern("a brace that is no repetition")
            self.at = end + 1
            found = int(low[:6]), int(high[:6]) if high else None if comma else int(low[:6])
        else:
            return []
        if self._peek() == "?":
            self.at += 1  # which way is tried first does not matter for whether there is one
        return [found]

    def _repeated(self, began: int, part: _Part, least: int, most: int | None) -> _Part:
        """The part so many times: read again for each, for states are not shared."""
        count = most if most is not None else max(least, 1)
        if count > MAX_REPEAT or (most is not None and most < least):
            raise UnknownPattern("it repeats too often")
        after, parts = self.at, [part]
        for _ in range(count - 1):
            self.at = began
            parts.append(self._atom())
        self.at = after
        first = self._state()
        last, end = first, self._state()
        for number, one in enumerate(parts if count else []):
            if number >= least:
                last.out.append(end)
            last.out.append(one.first)
            last = one.last
        if most is None:
            last.out.append(parts[-1].first)
            if least == 0:
                first.out.append(end)
        last.out.append(end)
        return _Part(first, end)

    def _atom(self) -> _Part:
        one = self._take()
        if one == "(":
            return self._group()
        if one == "[":
            return self._taking(self._set())
        if one == ".":
            return self._taking(lambda char: char not in "\n\r")
        if one in "^$":
            state = self._state(at=one)
            last = self._state()
            state.out.append(last)
            return _Part(state, last)
        if one == "\\":
            return self._taking(self._escaped())
        if one == "{":
            raise UnknownPattern("a brace that is no repetition")
        if one in "*+?":
            raise BadPattern("a repetition of nothing")
        return self._taking(lambda char: char == one)

    def _group(self) -> _Part:
        if self._peek() == "?":
            if self.text[self.at : self.at + 2] == "?:":
                self.at += 2
            else:
                raise UnknownPattern("it looks around, or names a group")
        part = self.alternatives()
        if self._take() != ")":
            raise BadPattern("a parenthesis is not closed")
        return part

    def _escaped(self) -> Takes:
        one = self._take()
        known = _CLASSES.get(one.lower())
        if known is not None:
            return known if one.islower() else lambda char: not known(char)
        char = self._character(one)
        return lambda found: found == char

    def _character(self, one: str) -> str:
        """The character that an escape stands for."""
        digits = {"x": 2, "u": 4}.get(one)
        if digits is not None:
            code = self.text[self.at : self.at + digits]
            self.at += digits
            try:
                return chr(int(code, 16))
            except ValueError:
                raise UnknownPattern("an escape that is no character") from None
        if one in _ESCAPES:
            return _ESCAPES[one]
        if one.isalnum():
            raise UnknownPattern(f"the escape \\{one}")
        return one

    def _set(self) -> Takes:
        inverted = self._peek() == "^"
        self.at += inverted
        takes: list[Takes] = []
        while self._peek() != "]":
            one = self._take()
            if one == "\\":
                escape = self._take()
                known = _CLASSES.get(escape.lower())
                if known is not None:
                    takes.append(known if escape.islower() else _not(known))
                    continue
                one = "\b" if escape == "b" else self._character(escape)
            last = one
            if self._peek() == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                last = self._take()
                if last == "\\":
                    last = self._character(self._take())
            takes.append(_between(one, last))
        self.at += 1
        return lambda char: any(each(char) for each in takes) is not inverted

    def _taking(self, takes: Takes) -> _Part:
        first, last = self._state(takes), self._state()
        first.out.append(last)
        return _Part(first, last)

    def _state(self, takes: Takes | None = None, at: str = "") -> _State:
        self.states += 1
        if self.states > MAX_STATES:
            raise UnknownPattern("it is too large")
        return _State(takes, at)

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _take(self) -> str:
        one = self._peek()
        if not one:
            raise BadPattern("it ends too early")
        self.at += 1
        return one


def _between(first: str, last: str) -> Takes:
    if last < first:
        raise BadPattern("a range that goes backwards")
    return lambda char: first <= char <= last


def _not(takes: Takes) -> Takes:
    return lambda char: not takes(char)
