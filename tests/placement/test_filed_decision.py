"""What is filed of a decision is short, and says word for word what was decided."""

from __future__ import annotations

import msgspec
import pytest

from placement.decision import Decision, Objective, Reason, SiteRefusal
from placement.filed_decision import decision_filed, filed


def decision(sites: int) -> Decision:
    def reasons(number: int) -> list[Reason]:
        have = f"{7 + number % 83}.{number % 1000:03}"
        return [
            Reason(rule="latency", need="8", have=have, unit="ms", message=f"it is {have} ms from München, needs 8 ms"),
            Reason(
                rule="capacity", need="8250", have="8000", unit="millicores",
                message="needs 8250 millicores in all, has 8000 free",
                untold="needs 8250 millicores in all, and less of its 8000 is free",
            ),
        ]  # fmt: skip

    return Decision(
        revision=7,
        feasible=False,
        placements=[],
        refusals=[SiteRefusal(site_id=f"site_{number:026}", reasons=reasons(number)) for number in range(sites)],
        objective=Objective(sites=0, score=0.0, price_per_hour=0.0, mean_latency_ms=None, worst_latency_ms=None),
    )


@pytest.mark.parametrize("sites", [0, 1, 5, 400])
def test_it_is_read_as_it_was_decided(sites: int) -> None:
    one = decision(sites)
    body = filed(one)
    msgspec.json.decode(body)
    assert decision_filed(body) == one
    assert decision_filed(msgspec.Raw(body)) == one


def test_the_words_of_hundreds_of_sites_take_little_room() -> None:
    one = decision(400)
    assert len(msgspec.json.encode(one)) > 140_000
    assert len(filed(one)) < 12_000


def test_a_short_one_can_be_read_by_people() -> None:
    assert filed(decision(2)) == msgspec.json.encode(decision(2))
