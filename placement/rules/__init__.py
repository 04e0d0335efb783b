"""The rules of placement, one a file.

To add one: write `placement/rules/<name>.py` with a `RULE` (a filter over the problem's columns and the reason with need and
have), add one line to `RULES`, and one table to `tests/placement/test_rules.py`.
"""

from placement.rules import (
    affinity,
    anti_affinity,
    architecture,
    bandwidth,
    capacity,
    circle,
    component_sites,
    cordon,
    dedicated,
    distance,
    excluded,
    features,
    groups,
    health,
    held,
    labels,
    latency,
    listed,
    near,
    no_cluster,
    node_cordoned,
    node_not_ready,
    node_selector,
    pod_affinity,
    polygon,
    preferences,
    region,
    residency,
    spread,
    taint,
    tier,
)
from placement.rules.rule import CapacityRule, NodeRule, Rule, SiteRule

RULES: tuple[Rule, ...] = (
    listed.RULE,
    excluded.RULE,
    region.RULE,
    tier.RULE,
    labels.RULE,
    polygon.RULE,
    circle.RULE,
    component_sites.RULE,
    held.RULE,
    residency.RULE,
    groups.RULE,
    preferences.RULE,
    spread.RULE,
    affinity.RULE,
    anti_affinity.RULE,
    near.RULE,
    cordon.RULE,
    health.RULE,
    no_cluster.RULE,
    latency.RULE,
    distance.RULE,
    bandwidth.RULE,
    node_cordoned.RULE,
    node_not_ready.RULE,
    taint.RULE,
    dedicated.RULE,
    architecture.RULE,
    node_selector.RULE,
    features.RULE,
    pod_affinity.RULE,
    capacity.RULE,
)
"""In the order in which reasons are given."""
OF_PLACES = frozenset(one.RULE.name for one in (latency, distance, bandwidth))
"""The names of the rules that ask whether a site is in reach of any of the policy's places."""

__all__ = ["OF_PLACES", "RULES", "CapacityRule", "NodeRule", "Rule", "SiteRule"]
