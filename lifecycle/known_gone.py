"""Whether what ran at a place that does not answer is known to be gone: somebody has said so (`lifecycle.fencing`).

Whoever waits for something to go waits for that no longer.
"""

from __future__ import annotations

from graph.kinds import Node, Release, Site
from graph.view import Reader, get_as


def is_known_gone(reader: Reader, release: Release) -> bool:
    """Whether somebody has said that nothing runs any more where a release was."""
    site = get_as(reader, Site, release.site_id)
    if site is None or site.fence is not None:
        return True
    nodes = [get_as(reader, Node, one) for one in release.assignments]
    return bool(nodes) and all(one is None or one.fence is not None for one in nodes)
