"""Groups: which sites are wanted together, and which one for another, as a solver takes it.

A tree of `allOf` and `anyOf` becomes demands that must all be kept, and choices of which at least one alternative must be
kept whole. Nothing is dropped on the way: a mandatory site stays in its demand when a rule refuses it, so that the decision
says so, where a system that filtered first would quietly place on what is left. For the same reason a mandatory group
that selects no site is a demand that nothing can keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from graph.kinds.policy import SiteGroup
from graph.refusal import InvalidInput, LimitExceeded
from placement.arrays import Ints, Mask
from placement.selection import Ground, selected
from placement.solve.model import Group, Limits

MAX_DEPTH = 16
"""How deep groups may lie in each other."""
MAX_GROUPS = 1_000
"""The most groups of a policy, those in others included."""
MAX_CHOICES = 32
"""The most `anyOf` of a policy: which one of each is chosen is what takes time, and a request has little."""
MAX_ALTERNATIVES = Limits().alternatives
"""The most alternatives of one choice, once everything in it is written out."""

Together = tuple[Group, ...]
"""Demands that are kept together."""


@dataclass(frozen=True, slots=True)
class SiteGroups:
    """What the groups of a policy ask for; members are the problem's rows of sites."""

    mandatory: Together = ()
    alternatives: tuple[tuple[Together, ...], ...] = ()
    """Of each entry, at least one is kept whole."""
    member: Mask = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """(sites,): whether any group selects the site."""

    def among(self, sites: Ints) -> tuple[Together, tuple[tuple[Together, ...], ...]]:
        """The demands and the choices with members as places in `sites`, rows that ascend.

        A site that is not in `sites` can be no member; what its group asks for stays, and then may be more than there are.
        """
        return (
            tuple(_among(one, sites) for one in self.mandatory),
            tuple(
                tuple(tuple(_among(one, sites) for one in alternative) for alternative in entry)
                for entry in self.alternatives
            ),
        )


def groups_of(ground: Ground, groups: Sequence[SiteGroup], *, path: str) -> SiteGroups | None:
    """What a policy's groups ask for; None without any.

    Raises InvalidInput for a group that is not exactly one of `sites`, `allOf` and `anyOf`, LimitExceeded for too many,
    too deep or too many alternatives, and what a selector in them raises.
    """
    if not groups:
        return None
    _check_tree(groups, path=path)
    member = np.zeros(ground.size, dtype=bool)
    reading = _Reading(ground, member)
    norm = _Norm()
    for n, one in enumerate(groups):
        norm.add(reading.all_of(one, path=f"{path}[{n}]"))
    return SiteGroups(mandatory=tuple(norm.mandatory), alternatives=tuple(norm.choices), member=member)


@dataclass(slots=True)
class _Norm:
    """Demands that are all kept, and choices of which each keeps one alternative."""

    mandatory: list[Group] = field(default_factory=list)
    choices: list[tuple[Together, ...]] = field(default_factory=list)

    def add(self, other: _Norm) -> None:
        self.mandatory += other.mandatory
        self.choices += other.choices

    def written_out(self, *, path: str) -> list[Together]:
        """The alternatives that it amounts to. Raises LimitExceeded."""
        found: list[Together] = [tuple(self.mandatory)]
        for choice in self.choices:
            if len(found) * len(choice) > MAX_ALTERNATIVES:
                raise _too_many(path)
            found = [(*before, *one) for before in found for one in choice]
        return found


class _Reading:
    def __init__(self, ground: Ground, member: Mask) -> None:
        self._ground = ground
        self._member = member

    def all_of(self, group: SiteGroup, *, path: str) -> _Norm:
        """A group of which everything is wanted."""
        if group.sites is not None:
            members = self._members(group, path=path)
            return _Norm([Group(members=members, at_least=max(1, len(members)), label=path)])
        if group.any_of:
            return self.any_of(group.any_of, path=f"{path}.anyOf")
        norm = _Norm()
        for n, one in enumerate(group.all_of):
            norm.add(self.all_of(one, path=f"{path}.allOf[{n}]"))
        return norm

    def any_of(self, groups: Sequence[SiteGroup], *, path: str) -> _Norm:
        """Groups of which one is enough."""
        single, alternatives = self._either(groups, path=path)
        if not alternatives:
            return _Norm([Group(members=_rows(single), at_least=1, label=path)])
        if single.any():
            alternatives.insert(0, (Group(members=_rows(single), at_least=1, label=path),))
        if len(alternatives) > MAX_ALTERNATIVES:
            raise _too_many(path)
        if len(alternatives) == 1:
            return _Norm(list(alternatives[0]))
        return _Norm(choices=[tuple(alternatives)])

    def _either(self, groups: Sequence[SiteGroup], *, path: str) -> tuple[Mask, list[Together]]:
        """Sites of which any one is enough, and what else is."""
        single = np.zeros(self._ground.size, dtype=bool)
        alternatives: list[Together] = []
        for n, one in enumerate(groups):
            where = f"{path}[{n}]"
            if one.sites is not None:
                single[self._members(one, path=where)] = True
            elif one.any_of:
                more, others = self._either(one.any_of, path=f"{where}.anyOf")
                single |= more
                alternatives += others
            else:
                alternatives += self.all_of(one, path=where).written_out(path=where)
        return single, alternatives

    def _members(self, group: SiteGroup, *, path: str) -> Ints:
        assert group.sites is not None, "the caller has looked"
        mask = selected(self._ground, group.sites, path=f"{path}.sites")
        self._member |= mask
        return _rows(mask)


def _check_tree(groups: Sequence[SiteGroup], *, path: str) -> None:
    """Each group is exactly one of the three, and there are not too many, nor too deep.

    An empty list is as one that is left out, for what is read of a group has both lists; nothing else is passed over.
    """
    waiting = [(one, f"{path}[{n}]", 1) for n, one in enumerate(groups)]
    count = choices = 0
    while waiting:
        group, where, depth = waiting.pop()
        count += 1
        choices += bool(group.any_of)
        if choices > MAX_CHOICES:
            raise LimitExceeded(
                f"a policy has at most {MAX_CHOICES} anyOf, those in other groups included",
                remedy="put sites that can be exchanged one for one into a single anyOf",
                path=where,
            )
        if count > MAX_GROUPS or depth > MAX_DEPTH:
            raise LimitExceeded(
                f"a policy has at most {MAX_GROUPS:,} groups, at most {MAX_DEPTH} deep in each other",
                remedy="select more sites by one label",
                path=where,
            )
        if sum((group.sites is not None, bool(group.all_of), bool(group.any_of))) != 1:
            raise InvalidInput(
                "a group is exactly one of sites, allOf and anyOf; an empty list is as one that is left out",
                remedy="give one of the three",
                path=where,
            )
        waiting += [(one, f"{where}.allOf[{n}]", depth + 1) for n, one in enumerate(group.all_of)]
        waiting += [(one, f"{where}.anyOf[{n}]", depth + 1) for n, one in enumerate(group.any_of)]


def _among(group: Group, sites: Ints) -> Group:
    at = np.searchsorted(sites, group.members)
    there = at < len(sites)
    there[there] = sites[at[there]] == group.members[there]
    return replace(group, members=at[there].astype(np.int64))


def _rows(mask: Mask) -> Ints:
    return np.flatnonzero(mask).astype(np.int64)


def _too_many(path: str) -> LimitExceeded:
    return LimitExceeded(
        f"written out, the groups are more than {MAX_ALTERNATIVES} alternatives",
        remedy="put what can be exchanged one for one into a single anyOf",
        path=path,
    )
