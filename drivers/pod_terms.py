"""On which nodes a replica may run, in the terms of a Kubernetes pod: what placement left out a backend must not use.

Placement chooses nodes, but a backend runs replicas again by itself when a node is lost, and some are not told nodes at all.
So each call carries what decided which nodes count. The terms are those of Kubernetes (PodSpec of its API: `tolerations`,
and `nodeAffinity`, `podAffinity` and `podAntiAffinity` of `affinity`), for every backend that has schedulers of its own has
words for them; what a replica needs of a node is `ReleaseWork.resources`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from graph.kinds import Node
from graph.kinds.policy import Toleration
from graph.selectors import LabelSelector
from graph.taints import blocking_taint, taint_text

HOSTNAME = "kubernetes.io/hostname"
"""The label of a node that has its name; the topology of every term of `affinity` and `anti_affinity`."""
ARCH = "kubernetes.io/arch"
"""The label of a node that has its processor's architecture."""
RELEASE = "edgeatlas.io/release"
"""The label of a replica that has the name of its release."""
DEPLOYMENT = "edgeatlas.io/deployment"
"""The label of a replica that has the id of its deployment, whose components may go with each other or keep apart."""
COMPONENT = "edgeatlas.io/component"
"""The label of the same that has its component's name."""


class PodTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for each replica of a release; what is left out does not restrict."""

    labels: Mapping[str, str] = {}
    """The replica's own labels, by which others keep away from it or go with it."""
    tolerations: Sequence[Toleration] = ()
    node_affinity: LabelSelector = LabelSelector()
    """What the labels of its node match: the one required node selector term, `matchExpressions`."""
    anti_affinity: Sequence[LabelSelector] = ()
    """Required, by `kubernetes.io/hostname` and over all namespaces: no replica that one of these selects is on its node."""
    affinity: Sequence[LabelSelector] = ()
    """Required when a replica is scheduled, the same way: of each of these a replica that it selects is on its node."""


def labels_of(node: Node) -> dict[str, str]:
    """A node's labels with those that every node of Kubernetes has."""
    return {**node.labels, HOSTNAME: node.name, ARCH: node.arch}


def node_problem(terms: PodTerms, node: Node) -> str | None:
    """Why a node is none for a replica, whatever runs on it; None when it is one."""
    taint = blocking_taint(node.taints, terms.tolerations)
    if taint is not None:
        return f"has taint {taint_text(taint)}"
    labels = labels_of(node)
    missed = next((one for one in terms.node_affinity.requirements if not one.holds(labels)), None)
    return None if missed is None else f"does not match {missed}"
