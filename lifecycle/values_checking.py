"""Values against the JSON Schema of what they are for, before anything runs.

A chart says itself what its values may be (`values.schema.json`), and a component may say it for any package. What is
checked is what a site would get: the chart's own defaults, with the component's, the profile's and the overrides' values
over them, and without what null takes away, as Helm does it. A reference to a secret is a text of which nothing else is
known. All schemas together may take so many steps and no more: they are strangers'. So are the values: what sites with
values of their own have laid over large ones is made anew for each of them, and counts as steps as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from graph.json_schema import Schema, Steps, TooMuch, UnknownText, flaws
from graph.kinds import Component, Override, Package, Profile, Site
from graph.refusal import InvalidInput, LimitExceeded
from graph.secret_references import reference_in
from graph.value_merging import merged
from graph.view import Reader, get_as
from lifecycle.effective import Layers, Overlays, effective
from placement.decision import SitePlacement

MAX_STEPS = 200_000
"""Some half a second."""
ENTRIES_A_STEP = 16
"""To lay an entry over others, or to see whether an override holds at a site, takes about so many times less than a step."""
FLAWS_TOLD = 5
_UNKNOWN = UnknownText()


class _Rules(NamedTuple):
    """What a component's values are checked by, and what they are laid over."""

    schema: Schema
    defaults: Mapping[str, Any]


def check_values(
    reader: Reader,
    components: Sequence[Component],
    *,
    profile_id: str | None,
    overrides: Sequence[Override],
    placements: Sequence[SitePlacement] | None,
    path: str = "input.overrides",
) -> None:
    """Raises InvalidInput with the component, the site and the JSON Pointer of what is not as its schema says.

    `placements`: where they are to run; None: that is not decided yet. Raises LimitExceeded when checking takes too long.
    """
    ruled = [(one, rules) for one in components if (rules := _rules_of(reader, one)) is not None]
    if not ruled:
        return
    overlays, steps = Overlays(overrides), Steps(MAX_STEPS)
    sizes = _Sizes()
    profile = get_as(reader, Profile, profile_id)
    for component, (schema, defaults) in ruled:
        done: set[tuple[int, ...]] = set()
        asked = sum(one.component == component.name for one in overrides)
        of_profile = profile.values.get(component.name, {}) if profile is not None else {}
        below = sizes.of(defaults) + sizes.of(component.configuration) + sizes.of(of_profile)
        for site, layers in _looked_at(reader, component, overlays, overrides, placements):
            key = tuple(map(id, layers))
            try:
                steps.spend(-(-asked // ENTRIES_A_STEP))
                if key in done:
                    continue
                done.add(key)
                steps.spend((below + sum(map(sizes.of, layers))) // ENTRIES_A_STEP)
                told = effective(reader, component, profile_id=profile_id, layers=layers)
                found = list(flaws(schema, _as_checked(merged(defaults, told)), steps=steps))
            except TooMuch:
                raise LimitExceeded(
                    f"to check the values of component {component.name!r} takes too many steps",
                    remedy="make their schema simpler, or lay fewer values of their own on single sites",
                    path=path,
                ) from None
            if found:
                where = f" at site {site.name!r}" if site is not None else ""
                words = "; ".join(f"{one.pointer or 'as a whole it'} {one.message}" for one in found[:FLAWS_TOLD])
                more = f" (and {len(found) - FLAWS_TOLD} more)" if len(found) > FLAWS_TOLD else ""
                raise InvalidInput(
                    f"values of component {component.name!r}{where}: {words}{more}",
                    remedy="give values that its schema allows",
                    path=path,
                )


class _Sizes:
    """How many entries values have, counted once each."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, int]] = {}

    def of(self, values: Any) -> int:
        """Mappings, lists and what is in them."""
        known = self._known.get(id(values))
        if known is None:
            # The value is kept along: an id is another's once its value is gone.
            known = self._known[id(values)] = values, _entries(values)
        return known[1]


def _entries(values: Any) -> int:
    count, left = 0, [values]
    while left:
        one = left.pop()
        count += 1
        if isinstance(one, dict):
            left += one.values()
        elif isinstance(one, list):
            left += one
    return count


def _looked_at(
    reader: Reader,
    component: Component,
    overlays: Overlays,
    overrides: Sequence[Override],
    placements: Sequence[SitePlacement] | None,
) -> Iterator[tuple[Site | None, Layers]]:
    """Where it is to run, with what is laid on there; while that is not decided, the sites that overrides name."""
    if placements is not None:
        for placement in placements:
            if any(one.component_id == component.id for one in placement.components):
                site = get_as(reader, Site, placement.site_id)
                yield site, overlays.at(component.name, site)
        return
    own = [one for one in overrides if one.component == component.name]
    if all(one.generality == 0 for one in own):
        yield None, overlays.at(component.name, None)
    for site_id in dict.fromkeys(each for one in own for each in one.site_ids):
        site = get_as(reader, Site, site_id)
        if site is not None:
            yield site, overlays.at(component.name, site)


def _rules_of(reader: Reader, component: Component) -> _Rules | None:
    if component.values_schema is not None:
        return _Rules(component.values_schema, {})
    package = get_as(reader, Package, component.package_id)
    if package is None or package.schema_text is None or package.defaults_text is None:
        return None
    return _Rules(_decoded(package.schema_text), _decoded(package.defaults_text))


@lru_cache(maxsize=64)
def _decoded(text: str) -> Any:
    return msgspec.json.decode(text)


def _as_checked(value: Any) -> Any:
    """A value without what null takes away, and with unknown texts for secrets."""
    if isinstance(value, list):
        return [_as_checked(one) for one in value]
    if not isinstance(value, dict):
        return value
    if reference_in(value) is not None:
        return _UNKNOWN
    return {key: _as_checked(one) for key, one in value.items() if one is not None}
