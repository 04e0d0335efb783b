"""Faults of the next calls, counted: for tests that want a certain fault at a certain moment and no other.

Rates say how a site behaves in the long run. A test of one path needs the third call's reply lost and no other; it
plans that here.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

_Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
MOST = 10_000
"""Plans that wait at the same time."""


class PlannedFault(enum.Enum):
    """What happens to a call."""

    LOSE_REPLY = "LOSE_REPLY"
    """It is done, and its reply is lost."""
    LOSE_CALL = "LOSE_CALL"
    """Nothing is done, and there is no reply."""
    HANG = "HANG"
    """Nothing is done, and there is no reply for as long as the caller waits."""
    REFUSE = "REFUSE"
    """It is refused for now."""
    REJECT = "REJECT"
    """It is refused for good."""
    AWAY = "AWAY"
    """The site does not answer."""


class Plan(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A fault for the next calls that fit."""

    fault: PlannedFault
    verb: Annotated[str, msgspec.Meta(pattern="^(|ensure|remove)$")] = ""
    """Empty: either."""
    site: Annotated[str, msgspec.Meta(max_length=2048)] = ""
    """Id or name; empty: any."""
    name: Annotated[str, msgspec.Meta(max_length=2048)] = ""
    """The object's name; empty: any."""
    skip: _Count = 0
    """So many calls that fit go well first."""
    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    """So many calls have the fault; then the plan is done."""


class Plans:
    """The plans that wait, oldest first; a call has the fault of the first one that fits and is due."""

    def __init__(self) -> None:
        self.waiting: list[Plan] = []

    def add(self, plan: Plan) -> None:
        """Takes one in. Raises ValueError when too many wait."""
        if len(self.waiting) >= MOST:
            raise ValueError(f"{MOST} plans wait already")
        self.waiting.append(msgspec.structs.replace(plan))

    def next_for(self, verb: str, *, site_id: str, site: str, name: str) -> PlannedFault | None:
        """What is planned for this call; it counts as one of the plan's."""
        for plan in self.waiting:
            if plan.verb not in ("", verb) or plan.site not in ("", site_id, site) or plan.name not in ("", name):
                continue
            if plan.skip:
                plan.skip -= 1
                continue
            plan.count -= 1
            if not plan.count:
                self.waiting.remove(plan)
            return plan.fault
        return None
