"""Keeping new work away from a site, a node or a cluster, and letting it back."""

from __future__ import annotations

from graph.edit import Edit
from graph.kinds import Cluster, Node, Site
from graph.refusal import NotFound
from lifecycle.deployments import Visible
from lifecycle.events import tell

Cordonable = Site | Node | Cluster


def set_schedulable(
    edit: Edit,
    entity_id: str,
    schedulable: bool,
    *,
    visible: Visible,
    author: str,
    expected_revision: int | None = None,
) -> Cordonable:
    """Cordons or uncordons; what runs there stays. Nothing changes when it is so already. Raises NotFound or Conflict."""
    found = visible(edit).get(entity_id)
    current = edit.get(entity_id)
    if found is None or not isinstance(current, Site | Node | Cluster):
        raise NotFound("Site, Node or Cluster", entity_id, path="input.id")
    # The caller's own view may leave out fields: what is written is made from the whole value.
    after = edit.replace(current, expected_revision=expected_revision, schedulable=schedulable)
    if after is not current:
        what = f"{current.SPEC.name} {current.name}"
        if schedulable:
            tell(edit, after, "Uncordoned", f"{what} may be given work again.", author=author)
        else:
            tell(edit, after, "Cordoned", f"Nothing new is placed on {what}.", author=author)
    return after
