"""The flags of a failover policy: what they ask for, and what they leave as it was."""

from __future__ import annotations

from typing import Any

import pytest

from server.cli.failing_over import FailoverFlags, Mode, failover_of

BEFORE = {"__typename": "FailoverPolicy", "mode": "APPLY", "tolerationSeconds": 300, "maxMoves": 2, "single": True}


@pytest.mark.parametrize(
    ("flags", "before", "asked"),
    [
        ({}, None, None),
        ({}, BEFORE, None),
        ({"failover": Mode.PROPOSE}, None, {"mode": "PROPOSE"}),
        (
            {"toleration": 0},
            BEFORE,
            {"mode": "APPLY", "tolerationSeconds": 0, "maxMoves": 2, "single": True},
        ),
        (
            {"failover": Mode.OFF, "single": False, "most_moves": 9},
            BEFORE,
            {"mode": "OFF", "tolerationSeconds": 300, "maxMoves": 9, "single": False},
        ),
    ],
)
def test_flags_change_what_they_name(flags: dict[str, Any], before: Any, asked: Any) -> None:
    assert failover_of(FailoverFlags(**flags), before=before) == asked
