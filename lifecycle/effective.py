"""What values a component runs with at a site: its own, its profile's over them, and the deployment's overrides over those.

A release keeps the profile and what of the overrides is laid on at its site, as it was when it got its generation; component
and profile never change once they are used. So what a backend was told can be told again, word for word, whatever labels its
site has got since. The whole is made of that when it is asked for, and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from graph.kinds import Component, Override, Profile, Release, Site
from graph.refusal import LimitExceeded
from graph.selectors import LabelSelector, matches, parse_selector
from graph.value_merging import merged
from graph.view import Reader, get_as

MAX_LAID_BYTES = 8 * 2**20
"""JSON bytes of what the overrides lay on at all sites of a deployment together."""
Layers = list[dict[str, Any]]
"""What is laid over values, in order."""


class _Override(NamedTuple):
    override: Override
    values: dict[str, Any]
    selector: LabelSelector | None
    sites: frozenset[str]

    def holds(self, site: Site | None) -> bool:
        """Whether it is laid on at a site; None: at one of which nothing is said."""
        if self.sites and (site is None or site.id not in self.sites):
            return False
        return self.selector is None or (site is not None and matches(self.selector, site.labels))


class Overlays:
    """The overrides of a deployment, read once and laid on at many sites."""

    def __init__(self, overrides: Sequence[Override], *, path: str = "input") -> None:
        """Raises InvalidInput when one of them cannot be read."""
        self._by_component: dict[str, list[_Override]] = {}
        self._path = f"{path}.overrides"
        for _, at in sorted((one.generality, at) for at, one in enumerate(overrides)):
            one = overrides[at]
            where = f"{self._path}[{at}]"
            selector = parse_selector(one.site_selector, path=where) if one.site_selector else None
            read = _Override(one, one.mapping(path=where), selector, frozenset(one.site_ids))
            self._by_component.setdefault(one.component, []).append(read)
        self._made: dict[tuple[str, tuple[int, ...]], tuple[Layers, int]] = {}
        self._laid_bytes = 0

    def at(self, component: str, site: Site | None) -> Layers:
        """What is laid over a component's values at a site; the same list for sites where the same is.

        Raises LimitExceeded when it comes to too much for all the sites that were asked for.
        """
        given = self._by_component.get(component)
        if not given:
            return []
        key = component, tuple(at for at, one in enumerate(given) if one.holds(site))
        made = self._made.get(key)
        if made is None:
            layers = [given[at].values for at in key[1]]
            made = self._made[key] = layers, len(msgspec.json.encode(layers))
        self._laid_bytes += made[1]
        if self._laid_bytes > MAX_LAID_BYTES:
            raise LimitExceeded(
                f"the overrides come to more than {MAX_LAID_BYTES:,} bytes at all sites together",
                remedy="put what is the same at all sites into a profile",
                path=self._path,
            )
        return made[0]


def effective(
    reader: Reader, component: Component, *, profile_id: str | None, layers: Sequence[dict[str, Any]]
) -> Mapping[str, Any]:
    """The values that a component runs with; references to secrets stay references."""
    profile = get_as(reader, Profile, profile_id)
    of_profile = profile.values.get(component.name) if profile is not None else None
    if not of_profile and not layers:
        return component.configuration
    return merged(component.configuration, *([of_profile] if of_profile else []), *layers)


def effective_of(reader: Reader, release: Release) -> Mapping[str, Any]:
    """The values that a release was told, or is to be told with its generation."""
    component = get_as(reader, Component, release.component_id)
    if component is None:
        return {}
    return effective(reader, component, profile_id=release.profile_id, layers=release.overrides)
