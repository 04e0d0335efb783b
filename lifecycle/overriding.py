"""Which profile and overrides a deployment has after a change, and whether they can be meant.

What belongs to a version goes with it: an update to another one takes the profile of the same name there, and drops the
overrides of components that it does not have, as it does with their replicas.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from graph.kinds import AppVersion, Component, Deployment, Override, Profile, Site
from graph.refusal import InvalidInput, NotFound
from graph.view import Reader, get_as

PROFILE = "input.profileId"
OVERRIDES = "input.overrides"


def profile_after(
    reader: Reader, deployment: Deployment, given: str | msgspec.UnsetType | None, version: AppVersion
) -> str | None:
    """The profile that a deployment has after a change to a version.

    Raises InvalidInput when the version has none of the name that it has now.
    """
    if not isinstance(given, msgspec.UnsetType):
        return given
    before = get_as(reader, Profile, deployment.profile_id)
    if before is None or before.app_version_id == version.id:
        return deployment.profile_id
    same = reader.find("Profile", before.name, version.id)
    if same is None:
        raise InvalidInput(
            f"version {version.name!r} has no profile {before.name!r}, which deployment {deployment.name!r} runs with",
            remedy="name one of its profiles, or null",
            path=PROFILE,
        )
    return same.id


def check_profile(reader: Reader, version: AppVersion, profile_id: str | None, *, path: str = PROFILE) -> None:
    """Raises NotFound unless the profile is the version's, and seen."""
    if profile_id is None:
        return
    profile = get_as(reader, Profile, profile_id)
    if profile is None or profile.app_version_id != version.id:
        raise NotFound("Profile", profile_id, remedy="name one of the version that is to run", path=path)


def overrides_after(
    deployment: Deployment, given: list[Override] | None, components: Sequence[Component]
) -> list[Override]:
    """The overrides that a deployment has after a change: those that are given, or those of components that it still has."""
    if given is not None:
        return given
    names = {one.name for one in components}
    return [one for one in deployment.overrides if one.component in names]


def check_places(
    reader: Reader, overrides: Sequence[Override], components: Sequence[Component], *, path: str = OVERRIDES
) -> None:
    """Raises InvalidInput or NotFound when overrides are of components or for sites that there are not."""
    names = sorted(one.name for one in components)
    for at, one in enumerate(overrides):
        if one.component not in names:
            raise InvalidInput(
                f"there is no component {one.component!r}",
                remedy=f"name one of {', '.join(names)}",
                path=f"{path}[{at}].component",
            )
        for nth, site_id in enumerate(one.site_ids):
            if get_as(reader, Site, site_id) is None:
                raise NotFound("Site", site_id, path=f"{path}[{at}].siteIds[{nth}]")
