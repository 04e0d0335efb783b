"""Numbers and nouns as reasons say them: in digits that can be read, with the noun in the number that it has.

A figure that is told as too much, too far or dearer must not read as the limit itself, so it has as many digits as it takes.
"""

from __future__ import annotations

from collections.abc import Iterable

GIB, MIB = 1 << 30, 1 << 20
SPELT_OUT = 5
"""Names that a reason gives, of many."""
MOST_SAID = 1_000
"""Characters of a text of a reason about one site."""
_MOST_DIGITS = 9


def number(value: float) -> str:
    """A number in plain digits, at most six of them behind the point."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return f"{value:g}" if value and text in ("0", "-0") else text


def counted(count: int, noun: str) -> str:
    """So many of something: `1 site`, `2 sites`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def listed(names: Iterable[str], *, between: str) -> str:
    """Names, each once; of many the first, and how many more there are."""
    each = list(dict.fromkeys(names))
    if len(each) > SPELT_OUT + 1:
        each = [*each[:SPELT_OUT], f"{len(each) - SPELT_OUT} more"]
    return between.join(each)


def shortened(text: str, *, most: int = MOST_SAID) -> str:
    """A text of at most so many characters, by default as a reason may have: it is said of thousands of sites."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def told_apart(one: float, other: float, *, digits: int) -> tuple[str, str]:
    """Two numbers with so many digits behind the point, with more where they would read the same though they are not."""
    for wide in range(digits, _MOST_DIGITS):
        first, second = f"{one:.{wide}f}", f"{other:.{wide}f}"
        if first != second or one == other:
            return first, second
    return f"{one!r}", f"{other!r}"


def beyond(have: float, limit: float, *, digits: int) -> str:
    """A number that is beyond a limit, with so many digits, with more where it would read as the limit."""
    return told_apart(have, limit, digits=digits)[0]


def of_its_nodes(count: int, of: int, one: str, many: str) -> str:
    """What so many of a site's nodes do, such as (`is cordoned`, `are cordoned`)."""
    if of == 1 and count == 1:
        return f"its only node {one}"
    which = "none" if count == 0 else "all" if count == of else str(count)
    return f"{which} of its {counted(of, 'node')} {one if count < 2 else many}"


def in_bytes(*amounts: int) -> list[str]:
    """Amounts of bytes in the largest unit of which there is one, told apart: in GiB, MiB or bytes."""
    for size, unit in ((GIB, "GiB"), (MIB, "MiB")):
        if max(amounts) >= size:
            texts = [f"{number(round(one / size, 2))} {unit}" for one in amounts]
            if len(set(texts)) == len(set(amounts)):
                return texts
    return [f"{one} bytes" for one in amounts]
