"""The rules of placement, one a file.

To add one: write `placement/rules/<name>.py` with a `RULE` (a filter over the problem's columns and the reason with need and
have), add one line to `RULES`, and one table to `tests/placement/test_rules.py`.
"""

from placement.rules import (
    architecture,
    capacity,
    cordon,
    excluded,
    health,
    labels,
    latency,
    listed,
    no_cluster,
    node_cordoned,
    node_not_ready,
    node_selector,
    region,
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
    cordon.RULE,
    health.RULE,
    no_cluster.RULE,
    latency.RULE,
    node_cordoned.RULE,
    node_not_ready.RULE,
    taint.RULE,
    architecture.RULE,
    node_selector.RULE,
    capacity.RULE,
)
"""In the order in which reasons are given."""

__all__ = ["RULES", "CapacityRule", "NodeRule", "Rule", "SiteRule"]
