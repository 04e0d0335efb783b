"""Refusals as a caller may be told them: an error must not tell of what its reader may not see.

The guards at head see the whole graph, so what they raise may name a dependent or the holder of a name that belongs to
another tenant. Whatever shows a refusal to a caller passes it through `told` first.
"""

from __future__ import annotations

from access.visible import VisibleView
from graph.refusal import AlreadyExists, CapacityGone, InUse, NotFound, Refusal


def told(refusal: Refusal, view: VisibleView) -> Refusal:
    """The refusal as the viewer may see it; the same object when nothing is to be left out or added.

    An `AlreadyExists` whose holder is not seen has an empty `existing_id`. Every `NotFound` has the same words, for a
    remedy that differed would tell what exists elsewhere.
    """
    if isinstance(refusal, InUse):
        seen = view.visible_dependents(refusal.dependents)
        if len(seen) == len(refusal.dependents):
            return refusal
        return InUse(
            f"{len(seen)} that you see and others that you may not see depend on it"
            if seen
            else "others that you may not see depend on it",
            dependents=seen,
            path=refusal.path,
        )
    if isinstance(refusal, AlreadyExists) and refusal.existing_id and view.get(refusal.existing_id) is None:
        return AlreadyExists("this name or external id is taken", existing_id="", path=refusal.path)
    if isinstance(refusal, NotFound):
        return NotFound(refusal.what, refusal.key, path=refusal.path)
    if isinstance(refusal, CapacityGone) and refusal.figures is not None and view.may_see_use():
        return CapacityGone(refusal.figures, remedy=refusal.remedy, path=refusal.path)
    return refusal
