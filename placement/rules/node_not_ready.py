"""Nodes that their cluster reports as not ready. One that nothing has observed yet is given the chance."""

from __future__ import annotations

from placement.rules.rule import column_rule

RULE = column_rule("node_not_ready", lambda bins: bins.not_ready, called="not ready")
