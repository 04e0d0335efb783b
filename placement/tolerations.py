"""Tolerations: which tainted nodes a policy's app may use all the same.

The meaning is that of Kubernetes (Taints and Tolerations; `ToleratesTaint` of its API): a toleration matches a taint when
its effect is the taint's or none is given, its key is the taint's or none is given with EXISTS, and with EQUAL its value is
the taint's. A NO_SCHEDULE or NO_EXECUTE taint that no toleration matches keeps the app off the node.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graph.identifiers import label_key_problem
from graph.kinds.policy import Toleration, TolerationOperator
from graph.refusal import InvalidInput
from graph.taints import blocking_taint
from placement.arrays import Mask
from placement.selection import Ground


def check_tolerations(tolerations: Sequence[Toleration], *, path: str) -> None:
    """Raises InvalidInput for a toleration that Kubernetes would not take."""
    for n, one in enumerate(tolerations):
        where = f"{path}[{n}]"
        if one.key is None and one.operator is not TolerationOperator.EXISTS:
            raise InvalidInput(
                "a toleration without a key tolerates every key, which takes EXISTS",
                remedy="give a key, or operator EXISTS",
                path=f"{where}.key",
            )
        problem = label_key_problem(one.key) if one.key is not None else None
        if problem:
            raise InvalidInput(problem, remedy="give the taint's key", path=f"{where}.key")
        if one.operator is TolerationOperator.EXISTS and one.value:
            raise InvalidInput(
                "EXISTS tolerates every value", remedy="leave the value out, or use EQUAL", path=f"{where}.value"
            )


def tolerated_nodes(ground: Ground, tolerations: Sequence[Toleration]) -> Mask | None:
    """(nodes + 1,) by row of the inventory: the tainted nodes all of whose taints are tolerated; None without tolerations.

    The last stands for what is no node.
    """
    if not tolerations:
        return None
    nodes = ground.inventory.nodes
    kept_off = np.array([blocking_taint(one, tolerations) is not None for one in nodes.taint_sets.values], dtype=bool)
    mask = np.zeros(len(nodes.ids) + 1, dtype=bool)
    mask[:-1] = nodes.tainted & ~kept_off[nodes.taints]
    return mask
