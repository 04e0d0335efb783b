"""A site's health from what its clusters find: pure functions, for several observers write the same value.

What each cluster found wrong is kept under the cluster's id, so that no observer needs to know what another one saw, and
is put in words at the end, with the names of that moment.

Only clusters of a site's own tenancy count: those that everybody shares, and for a private site its tenant's. What a
tenant's private cluster finds of a shared site would otherwise tell everybody of that cluster, and let one tenant keep all
others off the site. It stays with the cluster, in the cluster's own health.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drivers.port import NO_ANSWER, Condition
from graph.kinds import Cluster, Node, Site
from graph.values import Finding, Health, HealthStatus

AWAY = "away"
SITES_TOLD = 20
"""Of how many sites a cluster's health tells; the others are counted."""


def counts_for(thing: Cluster | Node, site: Site) -> bool:
    """Whether a cluster's or node's state is the site's health: that of a private one is not, where all share the site."""
    return thing.tenant_id is None or thing.tenant_id == site.tenant_id


def finding_of(thing_id: str, condition: Condition, *, nodes: int = 0, nodes_ready: int = 0) -> Finding | None:
    """What is wrong, if anything is, with a cluster's part of a site: with none of its nodes ready it is away."""
    if not condition.ready:
        return Finding(thing_id, True, condition.reason or NO_ANSWER)
    if nodes and not nodes_ready:
        return Finding(thing_id, True, f"none of its {nodes} nodes is ready")
    if nodes_ready < nodes:
        return Finding(thing_id, False, f"{nodes - nodes_ready} of its {nodes} nodes are not ready")
    return None


def with_finding(findings: Sequence[Finding], thing_id: str, found: Finding | None) -> list[Finding]:
    """Findings by id, with what was found of one thing now."""
    others = (one for one in findings if one.of != thing_id)
    return sorted((*others, *((found,) if found is not None else ())), key=lambda one: one.of)


def among(findings: Sequence[Finding], known: Mapping[str, str]) -> list[Finding]:
    """Without those of things that are not known any more."""
    return [one for one in findings if one.of in known]


def site_health(current: Health, findings: Sequence[Finding], *, names: Mapping[str, str], at: int) -> Health:
    """The health of a site by what its clusters found; `names` are those of all that serve it and count, by id.

    DOWN when all of them find it away or without a ready node, DEGRADED when some do or some nodes are not ready.
    """
    away = sum(one.away for one in findings)
    if not findings:
        status = HealthStatus.READY
    else:
        status = HealthStatus.DOWN if away >= len(names) else HealthStatus.DEGRADED
    return _health(current, status, _told(findings, names), at=at)


def cluster_health(
    current: Health, condition: Condition, *, findings: Sequence[Finding] = (), names: Mapping[str, str], at: int
) -> Health:
    """The health of a cluster after a look at it.

    `findings` are of the sites whose health is not its to write, `names` the names of those by id.
    """
    if not condition.ready:
        return _health(current, HealthStatus.DOWN, [condition.reason or NO_ANSWER], at=at)
    told = [f"site {one}" for one in _told(findings, names)]
    if len(told) > SITES_TOLD:
        told = [*told[:SITES_TOLD], f"and {len(told) - SITES_TOLD} more sites"]
    return _health(current, HealthStatus.DEGRADED if findings else HealthStatus.READY, told, at=at)


def not_answering(what: str, reason: str | None) -> str:
    """That something does not answer, with the reason if there is one that says more than that."""
    return f"{what} does not answer" + (f": {reason}" if reason and reason != NO_ANSWER else "")


def _told(findings: Sequence[Finding], names: Mapping[str, str]) -> list[str]:
    return sorted(f"{names[one.of]}: {f'{AWAY}: ' if one.away else ''}{one.words}" for one in findings)


def _health(current: Health, status: HealthStatus, reasons: list[str], *, at: int) -> Health:
    if (status, reasons) == (current.status, current.reasons):
        return current
    return Health(
        status=status, reasons=reasons, observed_at=at if status is not current.status else current.observed_at
    )
