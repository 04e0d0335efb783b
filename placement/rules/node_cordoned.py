"""Cordons of nodes."""

from __future__ import annotations

from placement.rules.rule import column_rule

RULE = column_rule("node_cordoned", lambda bins: bins.cordoned, called="cordoned")
