"""The releases of a deployment by the name of their component and by their site: who waits for whom is asked by these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graph.kinds import Component, Release
from graph.view import Reader, get_as


class BySite:
    """All releases of one deployment."""

    def __init__(self, reader: Reader, releases: Iterable[Release]) -> None:
        self.releases: list[Release] = []
        """Those whose component is known; it is never deleted before them."""
        self._components: dict[str, Component] = {}
        self._at: dict[str, dict[str, list[Release]]] = {}
        for one in releases:
            component = self._components.get(one.component_id) or get_as(reader, Component, one.component_id)
            if component is None:
                continue
            self.releases.append(one)
            self._components[one.component_id] = component
            self._at.setdefault(component.name, {}).setdefault(one.site_id, []).append(one)

    @property
    def version_ids(self) -> set[str]:
        """The app versions that they are of: two while one is changed to another."""
        return {one.app_version_id for one in self._components.values()}

    def component(self, release: Release) -> Component:
        """The component of one of them."""
        return self._components[release.component_id]

    def name(self, release: Release) -> str:
        """The name of its component."""
        return self._components[release.component_id].name

    def at(self, name: str, site_id: str | None) -> Iterator[Release]:
        """Those of a component at a site; None: everywhere."""
        sites = self._at.get(name, {})
        for some in sites.values() if site_id is None else [sites.get(site_id, [])]:
            yield from some
