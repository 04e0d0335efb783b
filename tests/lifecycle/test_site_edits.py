"""Policies edited for single sites: what was asked holds, and no word changes that does not stand in the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.kinds import SiteReplicas
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.refusal import InvalidState
from lifecycle.site_edits import adjusted_at, with_sites, without_sites

SITES = [f"site_{number}" for number in range(6)]
some_sites = st.lists(st.sampled_from(SITES), unique=True, max_size=6)


@st.composite
def policies(draw: st.DrawFn) -> tuple[PlacementPolicy, list[str]]:
    """A policy and where a deployment that it was made for is."""
    here = sorted(draw(st.lists(st.sampled_from(SITES), unique=True, min_size=1)))
    named = draw(st.booleans())
    least = draw(st.integers(1, len(here)))
    return PlacementPolicy(
        sites=SiteSelector(
            site_ids=sorted({*here, *draw(some_sites)}) if named else [],
            excluded_site_ids=[one for one in draw(some_sites) if one not in here],
            labels="zone=z0",
        ),
        pinned_site_ids=[one for one in draw(some_sites) if one in here],
        min_sites=least,
        max_sites=draw(st.none() | st.integers(len(here), 6)),
        everywhere=draw(st.booleans()),
    ), here


@given(policies(), some_sites)
def test_added_sites_are_asked_for_and_allowed(made: tuple[PlacementPolicy, list[str]], added: list[str]) -> None:
    policy, here = made
    if not set(added) - set(here):
        with pytest.raises(InvalidState):
            with_sites(policy, here, added)
        return
    after = with_sites(policy, here, added)
    new = set(added) - set(here)
    assert new <= set(after.pinned_site_ids)
    assert not new & set(after.sites.excluded_site_ids)
    assert not after.sites.site_ids or new <= set(after.sites.site_ids)
    assert after.max_sites is None or after.max_sites >= len(here) + len(new)
    assert (after.sites.labels, after.min_sites, after.everywhere) == ("zone=z0", policy.min_sites, policy.everywhere)
    assert bool(after.sites.site_ids) == bool(policy.sites.site_ids)


@given(policies(), some_sites)
def test_removed_sites_are_not_chosen_again(made: tuple[PlacementPolicy, list[str]], removed: list[str]) -> None:
    policy, here = made
    gone = set(removed) & set(here)
    if not gone or gone == set(here):
        with pytest.raises(InvalidState):
            without_sites(policy, here, removed)
        return
    after = without_sites(policy, here, removed)
    left = set(here) - gone
    allowed = set(after.sites.site_ids or SITES) - set(after.sites.excluded_site_ids)
    assert not gone & allowed
    assert left <= allowed
    assert not gone & set(after.pinned_site_ids)
    assert after.min_sites <= len(left)
    assert after.max_sites == policy.max_sites


@given(policies(), some_sites)
def test_what_was_added_can_be_removed(made: tuple[PlacementPolicy, list[str]], added: list[str]) -> None:
    policy, here = made
    new = set(added) - set(here)
    if not new:
        return
    grown = with_sites(policy, here, added)
    back = without_sites(grown, sorted({*here, *new}), sorted(new))
    assert set(back.pinned_site_ids) == set(policy.pinned_site_ids)
    assert set(here) <= set(back.sites.site_ids or SITES)


def test_adjustments_of_other_sites_and_components_stay() -> None:
    one = adjusted_at([], "b", {"web": 3, "db": 2})
    two = adjusted_at(one, "a", {"web": 0})
    assert [(each.site_id, each.component, each.replicas) for each in two] == [
        ("a", "web", 0),
        ("b", "db", 2),
        ("b", "web", 3),
    ]
    assert adjusted_at(two, "b", {"web": 5})[1:] == [
        SiteReplicas(site_id="b", component="db", replicas=2),
        SiteReplicas(site_id="b", component="web", replicas=5),
    ]
    assert adjusted_at(two, "b", None) == two[:1]
