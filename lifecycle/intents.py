"""What is wanted of a deployment, read off whatever keeps it.

A revision, a rollback to it and a cancellation that goes back to it all mean the same fields. Were one of them left out
somewhere, the next change would start from half of a past; so none of them names a field by itself.
"""

from __future__ import annotations

from typing import Any

from graph.kinds import Deployment, DeploymentRevision, Proposal
from graph.kinds.intents import INTENTS

KEPT_LATER = ("drift_policy", "requires_approval")
"""Those that revisions and proposals of old do not have: nobody asked then for what they are by default now."""


def intents_of(wanted: Deployment | DeploymentRevision | Proposal) -> dict[str, Any]:
    """What is wanted, by field; without those of which it is not known, which are to stay as they are."""
    known = {name: getattr(wanted, name) for name in INTENTS}
    for name in KEPT_LATER:
        if known[name] is None:
            del known[name]
    return known
