"""A total that is divided within a ceiling of price: a choice is found where there is one, and no ceiling is exceeded.

What a division costs is known once it is made, so the sites are searched for with other prices than those that count. The
least price of all choices is that of division_verifier, replica by replica.
"""

from __future__ import annotations

import pytest
from decision_verifier import Wish, verify_words
from division_verifier import least_price, verify_division
from test_pairs_of_words import TOTAL, WORDS, policy_of, row

from placement.decision import Decision

HAIR = 1e-4
OTHERS = ("priority", "pinnedSiteIds", "preferences", "maxSites", "spread min", "coverage km", "everywhere")


def decided(wish: Wish) -> Decision:
    """What is decided of the one component."""
    (component,) = wish.components
    return row().build.decide(
        component, policy=wish.policy, excluding_deployment_id=wish.deployment_id, replicas=wish.replicas
    )


def wished(*words: str, **fields: object) -> Wish:
    """The total under these words of the table, and other fields."""
    world = row()
    said = {name: value for word in words for name, value in WORDS[word](world).items()}
    policy = policy_of({**said, **fields})
    return Wish(world.build.view, [world.web], policy, {world.web.name: TOTAL}, deployment_id=world.own.id)


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("word", [one for one in WORDS if one.startswith("division")])
def test_a_total_is_divided_within_its_price_where_a_choice_of_sites_does(word: str, other: str) -> None:
    least = least_price(wished(word, other))
    enough = wished(word, other, max_price_per_hour=least * (1 + HAIR))
    decision = decided(enough)
    assert decision.feasible
    verify_words(enough, decision)
    verify_division(enough, row().web, {one.site_id: one.components[0].replicas for one in decision.placements})
    short = decided(wished(word, other, max_price_per_hour=least * (1 - HAIR)))
    assert not short.feasible
    assert [one.rule for one in short.conflicts] == ["max_price_per_hour"]
    assert short.unmet == []
    assert "crowded" not in {reason.rule for one in short.refusals for reason in one.reasons}


def test_a_site_that_is_left_out_for_its_price_is_told_so() -> None:
    wish = wished("division", max_price_per_hour=1.0)
    decision = decided(wish)
    names = {one.id: name for name, one in row().sites.items()}
    assert [names[one.site_id] for one in decision.placements] == ["a"]
    said = {names[one.site_id]: [reason.message for reason in one.reasons] for one in decision.refusals}
    too_dear = ["it passes every rule, but a total with a part at it would cost more than the policy allows"]
    assert {name: said[name] for name in "bcd"} == dict.fromkeys("bcd", too_dear)
