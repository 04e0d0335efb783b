"""Groups in normal form mean what their tree says, nothing mandatory is dropped, and trees are bounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from placement_graphs import Builder

from graph.kinds.policy import PlacementPolicy, SiteGroup, SiteSelector
from graph.refusal import InvalidInput, LimitExceeded
from placement.groups import MAX_ALTERNATIVES, MAX_CHOICES, MAX_DEPTH, MAX_GROUPS, SiteGroups
from placement.solve.model import Group

SITES = 5
BUILD = Builder()
IDS = [BUILD.site(nodes=0).id for _ in range(SITES)]
COMPONENT = BUILD.component()


def site(*numbers: int) -> SiteGroup:
    return SiteGroup(sites=SiteSelector(site_ids=[IDS[one] for one in numbers]))


def all_of(*groups: SiteGroup) -> SiteGroup:
    return SiteGroup(all_of=list(groups))


def any_of(*groups: SiteGroup) -> SiteGroup:
    return SiteGroup(any_of=list(groups))


def read(*groups: SiteGroup) -> SiteGroups:
    found = BUILD.problem(COMPONENT, policy=PlacementPolicy(groups=list(groups))).words.groups
    assert found is not None
    return found


def kept(one: Group, open_sites: frozenset[int]) -> bool:
    return len(open_sites & set(one.members.tolist())) >= one.at_least


def holds(groups: SiteGroups, open_sites: frozenset[int]) -> bool:
    """Whether a choice keeps the normal form."""
    return all(kept(one, open_sites) for one in groups.mandatory) and all(
        any(all(kept(one, open_sites) for one in alternative) for alternative in entry) for entry in groups.alternatives
    )


def means(group: SiteGroup, open_sites: frozenset[int], *, every: bool) -> bool:
    """Whether a choice keeps the tree, read word by word."""
    if group.sites is not None:
        wanted = [IDS.index(one) in open_sites for one in group.sites.site_ids]
        return all(wanted) if every else any(wanted)
    if group.all_of:
        return all(means(one, open_sites, every=True) for one in group.all_of)
    return any(means(one, open_sites, every=False) for one in group.any_of)


def choices() -> Iterable[frozenset[int]]:
    for bits in range(2**SITES):
        yield frozenset(one for one in range(SITES) if bits >> one & 1)


leaves = st.lists(st.integers(0, SITES - 1), min_size=1, max_size=3, unique=True).map(lambda one: site(*one))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda one: all_of(*one)),
        st.lists(inner, min_size=1, max_size=3).map(lambda one: any_of(*one)),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(trees, min_size=1, max_size=3))
def test_the_normal_form_keeps_what_the_tree_says_and_nothing_else(groups: list[SiteGroup]) -> None:
    try:
        found = read(*groups)
    except LimitExceeded:
        return
    for open_sites in choices():
        assert holds(found, open_sites) == all(means(one, open_sites, every=True) for one in groups)


def demands(groups: Sequence[Group]) -> list[tuple[list[int], int]]:
    return [(one.members.tolist(), one.at_least) for one in groups]


def test_sites_are_each_mandatory_in_all_of_and_one_of_them_in_any_of() -> None:
    assert demands(read(site(0, 1)).mandatory) == [([0, 1], 2)]
    assert demands(read(all_of(site(0, 1), site(2))).mandatory) == [([0, 1], 2), ([2], 1)]
    assert demands(read(any_of(site(0, 1), site(2))).mandatory) == [([0, 1, 2], 1)]
    assert demands(read(all_of(site(0), any_of(site(1), site(2)))).mandatory) == [([0], 1), ([1, 2], 1)]


def test_all_or_one_other_are_alternatives() -> None:
    found = read(any_of(site(0), all_of(site(1), site(2))))
    assert found.mandatory == ()
    ((first, second),) = found.alternatives
    assert (demands(first), demands(second)) == ([([0], 1)], [([1], 1), ([2], 1)])
    assert [one.label for one in first] == ["input.policy.groups[0].anyOf"]


def test_a_site_in_both_kinds_of_group_stays_mandatory() -> None:
    found = read(all_of(site(0), any_of(site(0), site(1))))
    assert demands(found.mandatory) == [([0], 1), ([0, 1], 1)]
    assert holds(found, frozenset({0}))
    assert not holds(found, frozenset({1}))


@pytest.mark.parametrize("group", [SiteGroup(sites=SiteSelector(labels="no=such")), None])
def test_a_mandatory_group_that_selects_nothing_can_be_kept_by_nothing(group: SiteGroup | None) -> None:
    found = read(group or any_of(SiteGroup(sites=SiteSelector(labels="no=such"))))
    assert demands(found.mandatory) == [([], 1)]
    assert not holds(found, frozenset(range(SITES)))
    assert not found.member.any()


def test_one_of_several_may_select_nothing() -> None:
    found = read(any_of(SiteGroup(sites=SiteSelector(labels="no=such")), site(3)))
    assert demands(found.mandatory) == [([3], 1)]
    assert np.flatnonzero(found.member).tolist() == [3]


def test_a_mandatory_site_that_is_no_candidate_leaves_its_demand_as_it_is() -> None:
    found = read(all_of(site(0, 3)), any_of(site(1), all_of(site(2), site(4))))
    mandatory, alternatives = found.among(np.array([0, 1, 4]))
    assert demands(mandatory) == [([0], 2)]
    assert [[demands(one) for one in entry] for entry in alternatives] == [[[([1], 1)], [([], 1), ([2], 1)]]]


@pytest.mark.parametrize(
    ("group", "path"),
    [
        (SiteGroup(), "groups[0]"),
        (SiteGroup(sites=SiteSelector(), any_of=[SiteGroup(sites=SiteSelector())]), "groups[0]"),
        (all_of(site(0), any_of(SiteGroup())), "groups[0].allOf[1].anyOf[0]"),
    ],
)
def test_a_group_is_exactly_one_of_three(group: SiteGroup, path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(group)
    assert caught.value.path == f"input.policy.{path}"


EVERY = SiteSelector()


@pytest.mark.parametrize(
    ("as_written", "means"),
    [
        ({"sites": {}, "any_of": []}, {"sites": {}}),
        ({"sites": {}, "all_of": [], "any_of": []}, {"sites": {}}),
        ({"any_of": [{"sites": {}, "all_of": []}], "all_of": []}, {"any_of": [{"sites": {}}]}),
        ({"all_of": [{"any_of": [{"sites": {}}], "all_of": []}]}, {"all_of": [{"any_of": [{"sites": {}}]}]}),
    ],
)
def test_an_empty_list_is_as_one_that_is_left_out(as_written: dict[str, object], means: dict[str, object]) -> None:
    given, wanted = (msgspec.convert(one, SiteGroup) for one in (as_written, means))
    assert given == wanted
    found, same = read(given), read(wanted)
    assert demands(found.mandatory) == demands(same.mandatory)
    assert found.alternatives == same.alternatives == ()


@pytest.mark.parametrize(
    ("group", "kept_by"),
    [
        (SiteGroup(sites=EVERY, any_of=[]), [frozenset(range(SITES))]),
        (SiteGroup(any_of=[SiteGroup(sites=EVERY, any_of=[])]), [one for one in choices() if one]),
    ],
)
def test_a_group_of_every_site_is_kept_by_all_in_all_of_and_by_any_in_any_of(
    group: SiteGroup, kept_by: list[frozenset[int]]
) -> None:
    found = read(group)
    assert [one for one in choices() if holds(found, one)] == kept_by


@pytest.mark.parametrize(
    ("group", "path"),
    [
        (SiteGroup(any_of=[]), "groups[0]"),
        (SiteGroup(all_of=[], any_of=[]), "groups[0]"),
        (all_of(site(0), SiteGroup(any_of=[])), "groups[0].allOf[1]"),
        (SiteGroup(sites=EVERY, any_of=[SiteGroup(all_of=[])]), "groups[0]"),
    ],
)
def test_a_group_of_which_empty_lists_leave_nothing_or_two_is_refused(group: SiteGroup, path: str) -> None:
    with pytest.raises(InvalidInput, match="an empty list is as one that is left out") as caught:
        read(group)
    assert caught.value.path == f"input.policy.{path}"


def test_a_selector_in_a_group_is_named_by_its_place() -> None:
    with pytest.raises(InvalidInput) as caught:
        read(any_of(site(0), all_of(SiteGroup(sites=SiteSelector(tiers=["MOON"])))))
    assert caught.value.path == "input.policy.groups[0].anyOf[1].allOf[0].sites.tiers[0]"


def test_trees_are_bounded() -> None:
    deep = site(0)
    for _ in range(MAX_DEPTH):
        deep = all_of(deep)
    pair = all_of(site(0), site(1))
    wide = all_of(*(any_of(pair, all_of(site(2), site(3))) for _ in range(10)))
    for group in (
        deep,
        all_of(*(all_of(*[site(0)] * 50) for _ in range(MAX_GROUPS // 50))),
        any_of(*[pair] * (MAX_ALTERNATIVES + 1)),
        any_of(site(4), wide),
    ):
        with pytest.raises(LimitExceeded):
            read(group)
    # Choices that are all wanted are not written out against each other.
    assert len(read(wide).alternatives) == 10


def test_choices_are_as_many_as_a_request_bears(build: Builder) -> None:
    sites = [build.site() for _ in range(2)]
    either = SiteGroup(any_of=[SiteGroup(sites=SiteSelector(site_ids=[one.id])) for one in sites])
    within = SiteGroup(all_of=[either] * MAX_CHOICES)
    assert build.decide(build.component(), policy=PlacementPolicy(groups=[within])).feasible
    with pytest.raises(LimitExceeded) as refused:
        build.decide(build.component(), policy=PlacementPolicy(groups=[within, either]))
    assert refused.value.path is not None
    assert refused.value.path.startswith("input.policy.groups[")
