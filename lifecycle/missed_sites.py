"""Sites that a deployment is to run at, as it is to run everywhere, and was not placed at, for they were down.

What is down is never chosen, so it is in no count, and all that was chosen may be ready. It is no loss either: nothing of
the deployment was ever there. So it is kept with the deployment from one decision to the next, for its status to name. A
change that leaves the policy as it is keeps a deployment at the sites that it has: what was missed before is still missed,
though it may be up by now.
"""

from __future__ import annotations

from collections.abc import Mapping

from graph.kinds import Deployment, DeploymentPhase, FailoverMode, MissedSites, StatusReason
from graph.view import Reader
from lifecycle.serving import serving_of
from placement.conditions import is_down
from placement.decision import Decision
from placement.verdict import refused_by_these_alone

MOST_LISTED = 8
MOST_NAMED = 3
_AWAY = frozenset({"health", "no_cluster", "node_not_ready"})
"""The rules that refuse a site for being away, itself or all that is there."""
_HELD = "held"
_OVER = (DeploymentPhase.TERMINATING, DeploymentPhase.TERMINATED)
_JOIN = {
    FailoverMode.OFF: "its failover is OFF, so only a rebalance, or adding {the_site} once {up}, has it run there",
    FailoverMode.REPORT: "that it may run there is reported once {up}; a rebalance, or adding {the_site}, has it do so",
    FailoverMode.PROPOSE: "a plan that has it run there is proposed once {up}",
    FailoverMode.APPLY: "it runs there by itself once {up}",
}
"""By its failover how a deployment comes to run at a site that was missed."""


def missed_by(reader: Reader, deployment: Deployment, decision: Decision) -> MissedSites | None:
    """The sites that a decision misses for a deployment; `deployment` has those that were missed before it."""
    policy = deployment.policy
    if not policy.everywhere or policy.division is not None:
        return None
    if policy.max_sites is not None and len(decision.placements) >= policy.max_sites:
        return None
    apart = frozenset(one.component for one in policy.components if one.apart)
    refused = refused_by_these_alone(decision, _AWAY | {_HELD}, apart=apart)
    before = deployment.missed
    known = frozenset(before.site_ids) if before is not None else frozenset[str]()
    missed = sorted(one for one, rules in refused.items() if one in known or _is_away(reader, one, rules))
    # Of those that were only counted it is not known which they are: some of what is refused now.
    uncounted = before.more if before is not None and any(_HELD in rules for rules in refused.values()) else 0
    count = min(len(refused), len(missed) + uncounted)
    return MissedSites(site_ids=missed[:MOST_LISTED], more=count - len(missed[:MOST_LISTED])) if missed else None


def missed_reason(deployment: Deployment, names: Mapping[str, str]) -> StatusReason | None:
    """What is told of the sites that were missed; `names` are theirs, by id, without those that are gone."""
    missed = deployment.missed
    if missed is None or deployment.phase in _OVER:
        return None
    told = [names[one] for one in missed.site_ids if one in names]
    more = missed.more + max(0, len(told) - MOST_NAMED)
    if not told:
        return None
    which = ", ".join(told[:MOST_NAMED]) + (f" and {more} more" if more else "")
    if len(told) == 1 and not more:
        what = f"site {which}, which its policy asks for and which was down when its sites were chosen"
        join = _JOIN[deployment.failover.mode].format(the_site="the site", up="it is up")
    else:
        what = f"sites {which}, which its policy asks for and which were down when its sites were chosen"
        join = _JOIN[deployment.failover.mode].format(the_site="the sites", up="they are up")
    message = f"it does not run at {what}; {join}"
    return StatusReason(code="SITE_MISSED", message=message)


def _is_away(reader: Reader, site_id: str, rules: frozenset[str]) -> bool:
    """Whether a site was refused for being down: it is, or the control planes that serve it are."""
    if "health" in rules:
        return True
    return "no_cluster" in rules and any(is_down(one) for one in serving_of(reader, site_id))
