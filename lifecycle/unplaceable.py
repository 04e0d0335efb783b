"""The refusal of a deployment that fits nowhere: it carries the decision, and with it every site's reasons.

Its words are kept with deployments, plans and events, and shown to whoever sees those, so they tell nothing of what others
use. Who may see that finds it in the decision, which is shown to each as far as he may see it.
"""

from __future__ import annotations

from graph.refusal import Refusal
from placement.decision import Decision
from placement.disclosure import reason_without_use

REASONS_TOLD = 3


class Unplaceable(Refusal):
    """No choice of sites keeps the policy."""

    code = "UNPLACEABLE"

    def __init__(self, decision: Decision, *, path: str = "input.policy") -> None:
        super().__init__(
            f"it cannot be placed: {'; '.join(reasons_of(decision)[:REASONS_TOLD])}",
            remedy="loosen the policy or add capacity; `planDeployment` shows each site's reasons. "
            "To have it placed as soon as it can be, ask for it to wait",
            path=path,
        )
        self.decision = decision


def reasons_of(decision: Decision) -> list[str]:
    """What stands against a policy as a whole, in words that anybody may read."""
    found = [one.message for one in decision.unmet] or [reason_without_use(one).message for one in decision.conflicts]
    return found or ["no choice of sites was found that keeps the policy"]
