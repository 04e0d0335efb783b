"""A total divided replica by replica, in fractions: the quota method as it is defined (Balinski and Young, with bounds)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import blake2b


@dataclass(frozen=True)
class Steps:
    """Sites with what they take."""

    weights: Sequence[int]
    least: Sequence[int]
    most: Sequence[int]
    ids: Sequence[str]
    salt: str

    @property
    def limits(self) -> tuple[int, int]:
        """What they take together: at least, at most."""
        most = [high if weight else low for weight, low, high in zip(self.weights, self.least, self.most, strict=True)]
        return sum(self.least), sum(most)

    def of(self, total: int) -> list[int] | None:
        """What each has of a total; None when they do not take it."""
        if any(low > high for low, high in zip(self.least, self.most, strict=True)):
            return None
        return next((has for given, has in self.one_by_one() if given == total), None)

    def shares(self, total: int) -> list[Fraction]:
        """What each is due: found by walking along the bends, in fractions."""

        def at(x: Fraction) -> list[Fraction]:
            return [
                min(max(weight * x, Fraction(low)), Fraction(high if weight else low))
                for weight, low, high in zip(self.weights, self.least, self.most, strict=True)
            ]

        bends = {Fraction(0)}
        for weight, low, high in zip(self.weights, self.least, self.most, strict=True):
            bends |= {Fraction(bound, weight) for bound in (low, high) if weight}
        before = Fraction(0)
        for bend in sorted(bends):
            if sum(at(bend)) >= total:
                start, end = sum(at(before)), sum(at(bend))
                return at(before if end == start else before + (bend - before) * (total - start) / (end - start))
            before = bend
        return at(before)

    def one_by_one(self) -> Iterator[tuple[int, list[int]]]:
        """The method as it is defined: each replica to whom it is due first, of those below their share."""
        has, (bottom, top) = list(self.least), self.limits
        yield bottom, list(has)
        for total in range(bottom + 1, top + 1):
            shares = self.shares(total)
            below = [place for place in range(len(has)) if has[place] < shares[place]]
            turn = min(below, key=lambda place: (Fraction(has[place] + 1, self.weights[place]), *self._tie(place)))
            has[turn] += 1
            yield total, list(has)

    def _tie(self, place: int) -> tuple[int, bytes, str]:
        id_ = self.ids[place]
        return self.weights[place], blake2b(f"{self.salt}\0{id_}".encode(), digest_size=8).digest(), id_
