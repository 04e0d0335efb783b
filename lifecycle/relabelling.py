"""The change function that gives a deployment another name for people, or other labels.

Neither is part of what is wanted: no revision is made, nothing is placed anew and no backend is told, so it takes no
operation and waits for nobody. What others keep away from by label is looked at with their next change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graph.edit import Edit
from graph.kinds import Deployment
from graph.refusal import InvalidInput
from lifecycle.deployments import Visible
from lifecycle.wishes import seen_deployment

RELABELLED = frozenset({"display_name", "labels"})


def relabel_deployment(
    edit: Edit,
    deployment_id: str,
    fields: Mapping[str, Any],
    *,
    visible: Visible,
    author: str,
    expected_revision: int | None = None,
) -> Deployment:
    """The deployment with these of RELABELLED. Raises NotFound, Conflict or InvalidInput."""
    deployment = seen_deployment(visible(edit), deployment_id)
    if not fields or fields.keys() - RELABELLED:
        raise InvalidInput("nothing to change is given", remedy="give a display name or labels", path="input")
    return edit.replace(deployment, expected_revision=expected_revision, **fields)
