"""Contradictions in what a policy says of components that share nodes, told with the field before anything is decided.

A replica that runs beside another is scheduled after it, on a node that this one has taken already, so whoever goes with a
component is where that component is: at the same sites, and not in a circle, of which none could be the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graph.kinds.policy import ComponentPolicy
from graph.refusal import InvalidInput


def check_company(
    policies: Sequence[ComponentPolicy], *, replicas: Mapping[str, int], divided: bool, path: str
) -> None:
    """Raises InvalidInput for components that cannot share nodes as `podAffinity` says, whatever the graph is.

    replicas: by name of the component, at each site or, where they are `divided`, in all. Names that it lacks are not looked
    at: that there is no such component is told elsewhere.
    """
    said = {one.component: one for one in policies}
    for n, one in enumerate(policies):
        for at, name in enumerate(one.pod_affinity):
            if name in replicas and one.component in replicas and name != one.component:
                other = said.get(name, ComponentPolicy(component=name))
                where = f"{path}[{n}].podAffinity[{at}]"
                _check_pair(one, other, path=where)
                _check_counts(one, other, replicas, divided=divided, path=where)
    _check_circles(policies, path=path)


def _check_pair(one: ComponentPolicy, other: ComponentPolicy, *, path: str) -> None:
    mine, theirs = one.component, other.component
    if theirs in one.pod_anti_affinity or mine in other.pod_anti_affinity:
        raise InvalidInput(
            f"{mine!r} is on the nodes of {theirs!r} and shares none with it: both cannot be",
            remedy="take one of them out of podAffinity or podAntiAffinity",
            path=path,
        )
    alone = next((each for each in (one, other) if each.dedicated_nodes), None)
    if alone is not None:
        raise InvalidInput(
            f"{mine!r} is on the nodes of {theirs!r}, and those of {alone.component!r} run nothing else: both cannot be",
            remedy="leave out dedicatedNodes, or take it out of podAffinity",
            path=path,
        )
    if theirs in one.never_with or mine in other.never_with:
        raise InvalidInput(
            f"{mine!r} is on the nodes of {theirs!r} and never at its sites: both cannot be",
            remedy="take one of them out of podAffinity or neverWith",
            path=path,
        )
    follows = other.apart and mine in other.serves and other.within_ms == 0
    if (one.apart or other.apart) and not follows:
        raise InvalidInput(
            f"{mine!r} is on the nodes of {theirs!r}, which need not be at its sites",
            remedy=f"leave out apart for both, or have {theirs!r} serve {mine!r} within 0 ms",
            path=path,
        )


def _check_counts(
    one: ComponentPolicy, other: ComponentPolicy, replicas: Mapping[str, int], *, divided: bool, path: str
) -> None:
    mine, theirs = replicas[one.component], replicas[other.component]
    if mine and not theirs:
        raise InvalidInput(
            f"{one.component!r} is on the nodes of {other.component!r}, which has no replicas",
            remedy=f"give {other.component!r} replicas, or take it out of podAffinity",
            path=path,
        )
    if one.one_per_node and not divided and mine > theirs:
        raise InvalidInput(
            f"the {mine} replicas of {one.component!r} are on different nodes of {other.component!r}, which has {theirs}",
            remedy=f"give {other.component!r} as many replicas, or leave out onePerNode",
            path=path,
        )


def _check_circles(policies: Sequence[ComponentPolicy], *, path: str) -> None:
    """Refuses components that go with each other in a circle: none of them could be scheduled first."""
    beside = {one.component: {*one.pod_affinity} - {one.component} for one in policies}
    waiting = {one.component: n for n, one in enumerate(policies) if one.pod_affinity}
    while waiting:
        free = [name for name in waiting if not any(each in waiting for each in beside[name])]
        if not free:
            break
        for name in free:
            del waiting[name]
    # Whoever only goes with one of the circle is not of it.
    while ends := [one for one in waiting if not any(one in beside[each] for each in waiting)]:
        for name in ends:
            del waiting[name]
    if waiting:
        names = " and ".join(map(repr, sorted(waiting)))
        first = min(waiting.values())
        raise InvalidInput(
            f"{names} go with each other in a circle: none of them could be scheduled first",
            remedy="leave one of the circle out of podAffinity",
            path=f"{path}[{first}].podAffinity",
        )
