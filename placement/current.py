"""What of a deployment runs where now, and is to stay there: what placing it anew is weighed against.

What only runs until its replacement is ready is on its way out. Were it counted, a deployment in the middle of a move would
be found at more sites than its policy allows, and be moved once more, perhaps back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graph.kinds import Component, Release
from graph.view import Reader, each, get_as
from placement.arrays import Ints
from placement.needs import ComponentNeed


def current_replicas(
    reader: Reader, row_of: Mapping[str, int], components: Sequence[ComponentNeed], *, deployment_id: str | None
) -> Mapping[str, Ints]:
    """By component id: (sites,) the replicas that are to stay at each site; empty when nothing is to stay anywhere.

    row_of: the problem's row of each site by id. Another version's component of the same name is the same work.
    """
    if deployment_id is None:
        return {}
    found = {one.id: np.zeros(len(row_of), dtype=np.int64) for one in components}
    names = {one.name: one.id for one in components}
    for release in each(reader, Release, "deployment_id", deployment_id):
        component = get_as(reader, Component, release.component_id)
        row = row_of.get(release.site_id)
        mine = found.get(names.get(component.name, "")) if component is not None else None
        if release.stays and row is not None and mine is not None:
            mine[row] += release.replicas
    return found if any(one.any() for one in found.values()) else {}
