"""What a version is made of, and whether all that its parts wait for is there."""

from __future__ import annotations

from graph.kinds import AppVersion, Component
from graph.refusal import InvalidState
from graph.view import Reader, each


def components_of(reader: Reader, version: AppVersion, *, path: str = "input.appVersionId") -> list[Component]:
    """The components of a version by id. Raises InvalidState when it has none, or when one waits for what is not there."""
    found = list(each(reader, Component, "app_version_id", version.id))
    if not found:
        raise InvalidState(
            f"version {version.name!r} has no components: there is nothing to run", remedy="add one", path=path
        )
    names = {one.name for one in found}
    for one in found:
        unknown = [each.component for each in one.waits_for if each.component not in names]
        if unknown:
            raise InvalidState(
                f"component {one.name!r} depends on {unknown[0]!r}, which version {version.name!r} does not have",
                remedy="add that component or take the dependency out",
                path=path,
            )
    return found
