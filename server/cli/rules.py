"""The rules of a deployment from flags: what happens when it drifts, and whether its changes wait to be approved."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated

import typer

from server.cli.api import Json


class Drift(enum.Enum):
    """What happens when a backend has something else than was applied to it."""

    CORRECT = "correct"
    REPORT = "report"


@dataclass(frozen=True, kw_only=True)
class RuleFlags:
    """By which rules it is kept. Each field is a flag of the commands that take them."""

    drift_policy: Annotated[
        Drift | None,
        typer.Option(
            "--drift-policy", help="What was changed by hand on a backend: put right (correct) or only told (report)."
        ),
    ] = None
    requires_approval: Annotated[
        bool | None,
        typer.Option("--requires-approval/--no-approval", help="Have its changes wait until somebody approves them."),
    ] = None


def put_rules(given: RuleFlags, values: Json) -> None:
    """Puts the rules that are given into an input."""
    if given.drift_policy is not None:
        values["driftPolicy"] = given.drift_policy.name
    if given.requires_approval is not None:
        values["requiresApproval"] = given.requires_approval
