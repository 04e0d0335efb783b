"""Units: which components run at the same sites, and what holds between those that do not.

The rest of an app is one unit; each component that is `apart` is a unit of its own. What a policy says of single components
is checked against the app version that is placed, for a word about a component that there is not would hold nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graph.kinds import Component
from graph.kinds.policy import ComponentPolicy, PlacementPolicy, SiteSelector
from graph.refusal import InvalidInput
from graph.selectors import LabelSelector, parse_selector
from placement.arrays import Mask
from placement.selection import Ground, selected

REST = "the rest of the app"


@dataclass(frozen=True, slots=True)
class ComponentWords:
    """What the policy says of one component; what it does not say does not restrict."""

    one_per_node: bool = False
    """At most one replica goes on a node."""
    dedicated: bool = False
    """Its nodes run nothing else, other components of the same app included."""
    away_from: frozenset[str] = frozenset()
    """Names of components with whose replicas its own share no node."""
    beside: frozenset[str] = frozenset()
    """Names of components of each of which a replica is on every node that it uses."""
    features: LabelSelector | None = None
    """What the labels of its nodes match."""
    has_features: Mask | None = None
    """(nodes + 1,) by row of the inventory: the nodes that match, the last for what is no node; None without features."""


@dataclass(frozen=True, slots=True)
class UnitWords:
    """Components that run at the same sites."""

    name: str
    components: tuple[int, ...]
    """Places among the components, ascending."""
    sites: Mask
    """(sites,): those that its own selector selects."""
    min_sites: int
    max_sites: int | None
    serves: tuple[int, ...] = ()
    """Units each of whose sites must have a site of this one in reach."""
    within_ms: float | None = None
    """With `serves`: most latency, one way."""
    min_bandwidth_mbps: float | None = None
    never_with: tuple[int, ...] = ()
    """Units at none of whose sites it runs."""
    held: Mask | None = None
    """(sites,): where it is to stay (placement/holding.py); None: it may go anywhere."""


def component_words(
    components: Sequence[Component],
    policies: Sequence[ComponentPolicy],
    *,
    nodes_matching: Callable[[LabelSelector], Mask | None],
    path: str,
) -> tuple[ComponentWords, ...]:
    """What is said of each component, in their order.

    nodes_matching: (nodes,) of the inventory that match a selector, None for one that asks for nothing.
    Raises InvalidInput for a selector that cannot be read.
    """
    said = {one.component: (n, one) for n, one in enumerate(policies)}
    found = []
    for component in components:
        n, one = said.get(component.name, (0, None))
        if one is None:
            found.append(ComponentWords())
            continue
        features = parse_selector(one.node_labels or "", path=f"{path}[{n}].nodeLabels")
        having = nodes_matching(features)
        found.append(
            ComponentWords(
                one_per_node=one.one_per_node,
                dedicated=one.dedicated_nodes,
                away_from=frozenset(one.pod_anti_affinity),
                beside=frozenset(one.pod_affinity),
                features=features if features.requirements else None,
                has_features=None if having is None else np.append(having, False),
            )
        )
    return tuple(found)


def units_of(
    ground: Ground, components: Sequence[Component], policy: PlacementPolicy, *, path: str
) -> tuple[UnitWords, ...]:
    """The units of an app: the rest of it first, then each component apart in the app's order.

    `minSites` and `maxSites` of the policy are the first unit's. Raises InvalidInput for what is said of components that
    there are not, that are not apart, or that contradicts itself.
    """
    check_components(components, policy.components, path=path)
    apart = {one.component: (n, one) for n, one in enumerate(policy.components) if one.apart}
    rest = tuple(at for at, one in enumerate(components) if one.name not in apart)
    order = [at for at, one in enumerate(components) if one.name in apart]
    unit_of = {components[at].name: 0 for at in rest}
    first = 1 if rest else 0
    unit_of.update({components[at].name: first + n for n, at in enumerate(order)})
    everything = np.ones(ground.size, dtype=bool)
    units = [UnitWords(REST, rest, everything, policy.min_sites, policy.max_sites)] if rest else []
    for at in order:
        n, one = apart[components[at].name]
        least, most = one.min_sites, one.max_sites
        if not units:
            least = max(least, policy.min_sites)
            most = min((limit for limit in (most, policy.max_sites) if limit is not None), default=None)
        units.append(
            UnitWords(
                name=one.component,
                components=(at,),
                sites=selected(ground, one.sites, path=f"{path}[{n}].sites"),
                min_sites=least,
                max_sites=most,
                serves=tuple(sorted({unit_of[name] for name in one.serves})),
                within_ms=one.within_ms,
                min_bandwidth_mbps=one.min_bandwidth_mbps,
                never_with=tuple(sorted({unit_of[name] for name in one.never_with})),
            )
        )
    return tuple(units)


def check_components(components: Sequence[Component], policies: Sequence[ComponentPolicy], *, path: str) -> None:
    """Raises InvalidInput for what cannot be of these components."""
    names = {one.name for one in components}
    said: set[str] = set()
    for n, one in enumerate(policies):
        where = f"{path}[{n}]"
        _check_name(one.component, names, path=f"{where}.component")
        if one.component in said:
            raise InvalidInput(
                f"component {one.component!r} is given twice",
                remedy="say all that holds for it in one place",
                path=f"{where}.component",
            )
        said.add(one.component)
        _check_apart(one, path=where)
        _check_serves(one, names, path=where)
    _check_cycles({one.component: one for one in policies if one.apart}, policies, path=path)


def _check_apart(one: ComponentPolicy, *, path: str) -> None:
    given = {
        "sites": one.sites != SiteSelector(),
        "minSites": one.min_sites != 1,
        "maxSites": one.max_sites is not None,
        "serves": bool(one.serves),
        "neverWith": bool(one.never_with),
    }
    for field, there in given.items():
        if there and not one.apart:
            raise InvalidInput(
                f"{one.component!r} runs where the rest of the app does, so it has no {field} of its own",
                remedy="give apart: true, or leave it out",
                path=f"{path}.{field}",
            )
    if one.min_sites < 1:
        raise InvalidInput("at least one site is asked for", remedy="give 1 or more", path=f"{path}.minSites")
    if one.max_sites is not None and one.max_sites < one.min_sites:
        raise InvalidInput(
            f"at least {one.min_sites} sites and at most {one.max_sites} cannot both be",
            remedy="raise maxSites or lower minSites",
            path=f"{path}.maxSites",
        )


def _check_serves(one: ComponentPolicy, names: set[str], *, path: str) -> None:
    named = {
        "serves": one.serves,
        "neverWith": one.never_with,
        "podAntiAffinity": one.pod_anti_affinity,
        "podAffinity": one.pod_affinity,
    }
    for field, others in named.items():
        for n, name in enumerate(others):
            _check_name(name, names, path=f"{path}.{field}[{n}]")
            if name == one.component:
                raise InvalidInput(
                    "a component is named beside itself",
                    remedy="name others; its own replicas are kept on different nodes by onePerNode",
                    path=f"{path}.{field}[{n}]",
                )
    if one.serves and one.within_ms is None:
        raise InvalidInput(
            "whom a component serves it is near to: within how many milliseconds is missing",
            remedy="give withinMs, 0 for the same site",
            path=f"{path}.withinMs",
        )
    for field, limit in (("withinMs", one.within_ms), ("minBandwidthMbps", one.min_bandwidth_mbps)):
        if limit is not None and not one.serves:
            raise InvalidInput(
                f"{field} is to the components that it serves, and it serves none",
                remedy="name them in serves, or leave it out",
                path=f"{path}.{field}",
            )
    if one.within_ms is not None and not 0 <= one.within_ms <= 10_000:
        raise InvalidInput("a latency is 0 to 10,000 ms", remedy="give milliseconds, one way", path=f"{path}.withinMs")
    both = sorted(set(one.serves) & set(one.never_with))
    if both and one.within_ms == 0:
        raise InvalidInput(
            f"it serves {both[0]!r} at the same site and never runs with it: both cannot be",
            remedy="raise withinMs, or leave it out of neverWith",
            path=f"{path}.neverWith",
        )


def _check_cycles(apart: Mapping[str, ComponentPolicy], policies: Sequence[ComponentPolicy], *, path: str) -> None:
    """Refuses components that serve each other in a circle: none of them could be placed first."""
    at_of = {one.component: n for n, one in enumerate(policies)}
    done: set[str] = set()
    for start in apart:
        trail: list[tuple[str, list[str]]] = [(start, list(apart[start].serves))]
        on_trail = {start}
        while trail:
            name, left = trail[-1]
            if not left or name in done:
                done.add(name)
                on_trail.discard(name)
                trail.pop()
                continue
            following = left.pop(0)
            if following in on_trail:
                raise InvalidInput(
                    f"{following!r} and {name!r} serve each other in a circle",
                    remedy="leave one of the circle out of serves",
                    path=f"{path}[{at_of[name]}].serves",
                )
            if following in apart and following not in done:
                on_trail.add(following)
                trail.append((following, list(apart[following].serves)))


def _check_name(name: str, names: set[str], *, path: str) -> None:
    if name not in names:
        raise InvalidInput(
            f"there is no component {name!r}", remedy=f"use one of {', '.join(sorted(names))}", path=path
        )
