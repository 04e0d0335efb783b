"""Taints and tolerations, with the meaning that they have in Kubernetes.

One reading for placement, which leaves tainted nodes out, and for drivers, which must not use a node that placement would
have left out: two would differ in what an empty value or a missing effect says. The meaning is that of Kubernetes (Taints
and Tolerations; `ToleratesTaint` of its API).
"""

from __future__ import annotations

from collections.abc import Sequence

from graph.kinds.policy import Toleration, TolerationOperator
from graph.values import Taint, TaintEffect

_BLOCKING = frozenset({TaintEffect.NO_SCHEDULE, TaintEffect.NO_EXECUTE})


def blocking_taint(taints: Sequence[Taint], tolerations: Sequence[Toleration] = ()) -> Taint | None:
    """The first of a node's taints that keeps work away that does not tolerate it."""
    return next((one for one in taints if one.effect in _BLOCKING and not is_tolerated(one, tolerations)), None)


def is_tolerated(taint: Taint, tolerations: Sequence[Toleration]) -> bool:
    """Whether one of the tolerations matches the taint."""
    return any(_matches(one, taint) for one in tolerations)


def taint_text(taint: Taint) -> str:
    """A taint as kubectl writes it: `key=value:NO_SCHEDULE`."""
    return f"{taint.key}={taint.value}:{taint.effect.value}" if taint.value else f"{taint.key}:{taint.effect.value}"


def _matches(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect is not None and toleration.effect is not taint.effect:
        return False
    if toleration.key is not None and toleration.key != taint.key:
        return False
    return toleration.operator is TolerationOperator.EXISTS or (
        toleration.key is not None and toleration.value == taint.value
    )
