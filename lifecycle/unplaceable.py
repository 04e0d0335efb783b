"""The refusal of a deployment that fits nowhere: it carries the decision, and with it every site's reasons."""

from __future__ import annotations

from graph.refusal import Refusal
from placement.decision import Decision


class Unplaceable(Refusal):
    """No choice of sites keeps the policy."""

    code = "UNPLACEABLE"

    def __init__(self, decision: Decision, *, path: str = "input.policy") -> None:
        super().__init__(
            _why(decision),
            remedy="loosen the policy or add capacity; `planDeployment` shows each site's reasons. "
            "To have it placed as soon as it can be, ask for it to wait",
            path=path,
        )
        self.decision = decision


def _why(decision: Decision) -> str:
    reasons = [one.message for one in decision.unmet[:3]] or [one.message for one in decision.conflicts[:3]]
    told = "; ".join(reasons) or f"none of {decision.looked_at} sites passes every rule"
    return f"it cannot be placed: {told}"
