"""What a version is made of, and whether all that its parts wait for is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graph.kinds import AppVersion, Component
from graph.refusal import InvalidInput, InvalidState
from graph.view import Reader, each

MAX_REPLICAS = 1_000


def components_of(reader: Reader, version: AppVersion, *, path: str = "input.appVersionId") -> list[Component]:
    """The components of a version by id. Raises InvalidState when it has none, or when one waits for what is not there."""
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
    return found


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
