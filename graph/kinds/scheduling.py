"""Which nodes a release's replicas may run on, as it was decided.

Placement leaves nodes out by the words of a component and of a policy together. Both may change later, each for itself, so
what they said when a release was decided is kept on the release: it is what its backend is told, and a release has a new
generation exactly when it differs. It is kept in one order and each thing once, so that another spelling of the same words
is no difference.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from graph.entity import doc
from graph.kinds.policy import Toleration


class Scheduling(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Which nodes of its site a release's replicas may run on; what is left out does not restrict."""

    one_per_node: Annotated[bool, doc("No two of its replicas are on one node.")] = False
    dedicated_nodes: Annotated[bool, doc("Its nodes run no other release.")] = False
    pod_anti_affinity: Annotated[
        list[str], doc("Components of the same deployment with whose replicas its own share no node.")
    ] = []
    pod_affinity: Annotated[
        list[str], doc("Components of the same deployment of each of which a replica is on every node that it runs on.")
    ] = []
    tolerations: Annotated[list[Toleration], doc("Taints that do not keep it off a node.")] = []
    node_requirements: Annotated[
        list[str],
        doc("What the labels of its nodes meet, each a requirement of a label selector: `gpu in (a100,h100)`."),
    ] = []
    architectures: Annotated[list[str], doc("The processors that it runs on; empty: any.")] = []
