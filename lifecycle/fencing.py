"""Somebody's word that nothing runs any more at a place that does not answer.

Beyond a cut link nothing can be stopped and nothing seen: whether an old copy still runs there only people can know, who
have powered it off or cut it off for good. The word holds until the place answers; then it is seen what runs there, and
what is not wanted is removed as ever.
"""

from __future__ import annotations

from graph.edit import Edit
from graph.kinds import Cluster, Fence, Node, NodeStatus, Site
from graph.refusal import InvalidState, NotFound
from graph.view import get_as
from lifecycle.deployments import Visible
from lifecycle.events import tell
from lifecycle.losses import is_lost
from placement.conditions import is_down


def fence(edit: Edit, entity_id: str, *, visible: Visible, author: str) -> Site | Node:
    """Takes in somebody's word that nothing runs at a site or node that does not answer. Asked again nothing changes.

    Raises NotFound, or InvalidState when it answers.
    """
    found = edit.get(entity_id)
    if visible(edit).get(entity_id) is None or not isinstance(found, Site | Node):
        raise NotFound("Site or Node", entity_id, path="input.id")
    if found.fence is not None:
        return found
    what = f"{found.SPEC.name.lower()} {found.name}"
    site = found if isinstance(found, Site) else get_as(edit, Site, found.site_id)
    away = site is not None and is_lost(edit, site)
    if isinstance(found, Node):
        cluster = get_as(edit, Cluster, found.cluster_id)
        # Another control plane may answer for the site: it says nothing of what this one's nodes run.
        away = away or found.status is NodeStatus.NOT_READY or (cluster is not None and is_down(cluster))
    if not away:
        raise InvalidState(f"{what} answers: what runs there is seen", remedy="drain it", path="input.id")
    after = edit.replace(found, fence=Fence(at=edit.at, by=author))
    tell(edit, after, "Fenced", f"Nothing runs at {what}, on the word of who said so.", author=author)
    return after


def end_fence(edit: Edit, thing: Site | Node) -> None:
    """A place answers: what was said of it while it did not holds no more."""
    if thing.fence is not None:
        after = edit.replace(thing, fence=None)
        what = f"{thing.SPEC.name.lower()} {thing.name}"
        tell(edit, after, "FenceEnded", f"It answers: {what} is looked at again.", warning=True)
