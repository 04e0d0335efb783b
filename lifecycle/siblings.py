"""What else a deployment has at the site of a release.

A site may have releases of very many deployments, and a deployment releases at very many sites; no index has both. So the
shorter of the two lists is read.
"""

from __future__ import annotations

from collections.abc import Iterator

from graph.kinds import Component, Release
from graph.view import Reader, each, get_as


def siblings_of(reader: Reader, release: Release) -> Iterator[tuple[Release, Component]]:
    """The other releases of its deployment at its site, with their components."""
    here = reader.count("Release", "site_id", release.site_id)
    whole = reader.count("Release", "deployment_id", release.deployment_id)
    field, value = ("site_id", release.site_id) if here <= whole else ("deployment_id", release.deployment_id)
    for other in each(reader, Release, field, value):
        if other.id == release.id or (other.deployment_id, other.site_id) != (release.deployment_id, release.site_id):
            continue
        component = get_as(reader, Component, other.component_id)
        if component is not None:
            yield other, component
