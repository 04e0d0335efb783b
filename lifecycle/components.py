"""What a version is made of, and whether its parts can be started in an order at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graph.kinds import AppVersion, Component
from graph.refusal import InvalidInput, InvalidState
from graph.view import Reader, each

MAX_REPLICAS = 1_000


def components_of(reader: Reader, version: AppVersion, *, path: str = "input.appVersionId") -> list[Component]:
    """The components of a version by id. Raises InvalidState when it has none, or none that could start first."""
    found = list(each(reader, Component, "app_version_id", version.id))
    if not found:
        raise InvalidState(
            f"version {version.name!r} has no components: there is nothing to run", remedy="add one", path=path
        )
    names = {one.name for one in found}
    for one in found:
        unknown = [name for name in one.depends_on if name not in names]
        if unknown:
            raise InvalidState(
                f"component {one.name!r} depends on {unknown[0]!r}, which version {version.name!r} does not have",
                remedy="add that component or take the dependency out",
                path=path,
            )
    cycle = dependency_cycle(found)
    if cycle:
        raise InvalidState(
            f"the components depend on each other in a circle: {' -> '.join(cycle)}",
            remedy="take one of these dependencies out",
            path=path,
        )
    return found


def dependency_cycle(components: Sequence[Component]) -> list[str]:
    """The names along a circle of dependencies, its first one again at its end; empty when there is none."""
    needs = {one.name: list(one.depends_on) for one in components}
    done: set[str] = set()
    for start in sorted(needs):
        trail: list[str] = []
        on_trail: set[str] = set()
        stack: list[tuple[str, int]] = [(start, 0)]
        while stack:
            name, index = stack.pop()
            if index == 0:
                if name in done:
                    continue
                trail.append(name)
                on_trail.add(name)
            following = needs.get(name, [])
            if index < len(following):
                stack.append((name, index + 1))
                child = following[index]
                if child in on_trail:
                    return [*trail[trail.index(child) :], child]
                if child not in done:
                    stack.append((child, 0))
            else:
                trail.pop()
                on_trail.discard(name)
                done.add(name)
    return []


def check_replicas(
    replicas: Mapping[str, int], components: Sequence[Component], *, path: str = "input.replicas"
) -> None:
    """Raises InvalidInput for a component that there is not, or a number that cannot be."""
    names = {one.name for one in components}
    for name, count in replicas.items():
        if name not in names:
            raise InvalidInput(
                f"there is no component {name!r}",
                remedy=f"use one of {', '.join(sorted(names))}",
                path=f"{path}.{name}",
            )
        if not 0 <= count <= MAX_REPLICAS:
            raise InvalidInput(
                f"a component has 0 to {MAX_REPLICAS} replicas at a site, not {count}",
                remedy="give a number in that range",
                path=f"{path}.{name}",
            )
