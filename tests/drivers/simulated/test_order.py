"""What was removed before those that depend on it is found, and so is nothing else."""

from __future__ import annotations

import pytest

from driverkit.order import Order
from driverkit.work import removal, work
from drivers.simulated.effects import EffectLog
from drivers.simulated.world import HAND

WEB, DB = "shop-web-a", "shop-db-a"
THERE = [("applied", DB), ("applied", WEB)]
EARLY = [f"{DB} was removed while {WEB} was there"]


def found(*told: tuple[str, str], order: Order) -> list[str]:
    """What it finds in a log of what was done, to which object."""
    log = EffectLog(100)
    for what, name in told:
        by = HAND if what == "vanished" else "c"
        log.note(what, removal(1, name) if what == "removed" else work(1, name=name), now=0, by=by)
    return order.read(log.after(0))


@pytest.mark.parametrize(
    ("told", "early", "removed"),
    [
        pytest.param([("removed", DB)], EARLY, 0, id="too early"),
        pytest.param([("removed", WEB), ("removed", DB)], [], 1, id="after it"),
        pytest.param([("vanished", WEB), ("removed", DB)], [], 1, id="after somebody removed it by hand"),
        pytest.param([("vanished", DB)], [], 0, id="by hand"),
        pytest.param([("removed", WEB), ("applied", WEB), ("removed", DB)], EARLY, 0, id="it came back"),
        pytest.param([("applied", "shop-db-b"), ("removed", "other-db-a")], [], 1, id="another deployment"),
    ],
)
def test_what_is_removed_before_what_depends_on_it_is_found(
    told: list[tuple[str, str]], early: list[str], removed: int
) -> None:
    order = Order(dependent="web", on="db")
    assert found(*THERE, *told, order=order) == early
    assert order.removed == removed
