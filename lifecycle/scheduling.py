"""What decides which nodes count, brought from a component and a policy to a release, and from there to a driver.

It is the one place that knows both sides: the words that placement reads and the terms that a driver is handed. What is
added to the one and forgotten here is not told to any backend.
"""

from __future__ import annotations

from collections.abc import Iterable

from drivers.pod_terms import ARCH, COMPONENT, DEPLOYMENT, RELEASE, PodTerms
from graph.kinds import Component, Release
from graph.kinds.policy import PlacementPolicy, Toleration
from graph.kinds.scheduling import Scheduling
from graph.selectors import LabelSelector, Operator, Requirement, parse_selector
from graph.view import Reader, get_as

_NO_POLICY = PlacementPolicy()


def scheduling_of(component: Component, policy: PlacementPolicy) -> Scheduling:
    """Which nodes a component's replicas may run on by its own words and by a policy's, in one order."""
    said = next((one for one in policy.components if one.component == component.name), None)
    # Whoever is named is told as well, so that it does not matter which of them a backend runs first.
    away = {one.component for one in policy.components if component.name in one.pod_anti_affinity}
    selectors = [component.node_selector, said.node_labels if said is not None else None]
    requirements = {str(one) for text in selectors if text for one in parse_selector(text).requirements}
    return Scheduling(
        one_per_node=said is not None and said.one_per_node,
        dedicated_nodes=said is not None and said.dedicated_nodes,
        pod_anti_affinity=sorted(away | {*(said.pod_anti_affinity if said is not None else [])}),
        pod_affinity=sorted({*(said.pod_affinity if said is not None else [])}),
        tolerations=_in_order(policy.tolerations),
        node_requirements=sorted(requirements),
        architectures=sorted(set(component.architectures)),
    )


def scheduling_told(reader: Reader, release: Release) -> Scheduling:
    """Which nodes the backend of a release was told of: a release that keeps none was told its component's alone."""
    if release.scheduling is not None:
        return release.scheduling
    component = get_as(reader, Component, release.component_id)
    return Scheduling() if component is None else scheduling_of(component, _NO_POLICY)


def pod_terms(name: str, scheduling: Scheduling, *, deployment_id: str, component: str) -> PodTerms:
    """The terms for the replicas of a release by its name on the backend; `component` is its component's name."""
    # Every replica says whose it is: others may go with it by their own words alone.
    labels = {RELEASE: name, DEPLOYMENT: deployment_id, COMPONENT: component}
    same = Requirement(DEPLOYMENT, Operator.IN, (deployment_id,))
    requirements = [one for text in scheduling.node_requirements for one in parse_selector(text).requirements]
    if scheduling.architectures:
        requirements.append(Requirement(ARCH, Operator.IN, tuple(scheduling.architectures)))
    keeps_from = []
    if scheduling.one_per_node:
        keeps_from.append(LabelSelector((Requirement(RELEASE, Operator.IN, (name,)),)))
    if scheduling.dedicated_nodes:
        others = (Requirement(RELEASE, Operator.EXISTS), Requirement(RELEASE, Operator.NOT_IN, (name,)))
        keeps_from.append(LabelSelector(others))
    if scheduling.pod_anti_affinity:
        those = Requirement(COMPONENT, Operator.IN, tuple(scheduling.pod_anti_affinity))
        keeps_from.append(LabelSelector((same, those)))
    return PodTerms(
        labels=labels,
        tolerations=scheduling.tolerations,
        node_affinity=LabelSelector(tuple(requirements)),
        anti_affinity=keeps_from,
        affinity=[
            LabelSelector((same, Requirement(COMPONENT, Operator.IN, (one,)))) for one in scheduling.pod_affinity
        ],
    )


def _in_order(tolerations: Iterable[Toleration]) -> list[Toleration]:
    def order(one: Toleration) -> tuple[str, str, str, str]:
        return one.key or "", one.operator.value, one.value, "" if one.effect is None else one.effect.value

    by_order = {order(one): one for one in tolerations}
    return [by_order[one] for one in sorted(by_order)]
