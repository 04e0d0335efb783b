"""Pages: whatever their size, order and direction, together they are the whole list, each entity once."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator, Sequence
from functools import cmp_to_key, lru_cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from access.viewer import Grant, Viewer
from access.visible import VisibleView
from graph import listing, name_walk
from graph.conditions import EVERYTHING, All, Condition, Equals, NameIs, Test
from graph.edit import Edit
from graph.entity import Entity
from graph.kinds import Link, Region, Role, Site, SiteRole, Tenant, Tier
from graph.listing import Order, Page, PageRequest, page_of
from graph.refusal import InvalidInput, LimitExceeded
from graph.view import Reader, View
from graphkit.programs import commit_of

NAMES = ["a", "B", "b", "ä", "東", "a b", "aa", "c"]
FIELDS = [
    "name",
    "id",
    "created_at",
    "tier",
    "ordinal",
    "display_name",
    "price_per_core_hour",
    "schedulable",
    "updated_at",
]


@lru_cache
def settled(seed: int, count: int = 40, *, tenants: int = 0) -> View:
    """A graph that no test changes."""
    return graph(seed, count, tenants=tenants)


def graph(seed: int, count: int = 40, *, tenants: int = 0) -> View:
    """Sites with few different values, so that every order has ties, and nulls."""
    random_ = random.Random(seed)
    view = View()
    view.epoch = "epoch-1"
    edit = Edit(view, at=1_000)
    region = edit.create(Region, name="r")
    owners = [None, *(edit.create(Tenant, name=f"t{n}").id for n in range(tenants))]
    view.apply(commit_of(edit))
    made = 0
    while made < count:
        edit = Edit(view, at=view.at + random_.randint(1, 2))
        for _ in range(random_.randint(1, 4)):
            made += 1
            edit.create(
                Site,
                name=f"{random_.choice(NAMES)}{random_.randrange(1_000)}{made}",
                region_id=region.id,
                tier=random_.choice(list(Tier)),
                role=random_.choice(list(SiteRole)),
                display_name=random_.choice([None, None, "x", "y", "ÿ"]),
                price_per_core_hour=random_.choice([0.0, 0.5, 1.5]),
                schedulable=random_.random() < 0.5,
                tenant_id=random_.choice(owners),
                labels=random_.choice([{}, {"zone": "west"}]),
            )
        view.apply(commit_of(edit))
    for one in random_.sample(list(view.ids("Site")), count // 4):
        edit = Edit(view, at=view.at + 1)
        site = view.get(one)
        assert isinstance(site, Site)
        edit.replace(site, display_name=random_.choice(["z", None]))
        view.apply(commit_of(edit))
    return view


def in_order(entities: Sequence[Entity], order: Sequence[Order]) -> list[Entity]:
    """The entities by the order, null last in both directions, then by id: `sorted`, and nothing of the code under test."""
    found = sorted(entities, key=lambda one: one.id)
    if len(order) == 1 and order[0].field == "created_at" and order[0].descending:
        found.reverse()
    for term in reversed(order):

        def compare(one: Entity, other: Entity, term: Order = term) -> int:
            mine, theirs = (getattr(each, term.field) for each in (one, other))
            mine, theirs = (getattr(each, "name", each) for each in (mine, theirs))
            if mine is None or theirs is None:
                return (mine is None) - (theirs is None)
            less = (mine > theirs) - (mine < theirs)
            return -less if term.descending else less

        found = sorted(found, key=cmp_to_key(compare))
    return found


def walk(
    reader: Reader, *, size: int, backwards: bool = False, order: Sequence[Order] = (), where: Condition = EVERYTHING
) -> Iterator[Page]:
    cursor: str | None = None
    for _ in range(200):
        request = PageRequest(last=size, before=cursor) if backwards else PageRequest(first=size, after=cursor)
        page = page_of(reader, "Site", where=where, order=order, request=request)
        yield page
        if not (page.has_previous if backwards else page.has_next):
            return
        assert len(page.items) == size
        cursor = page.cursor(page.items[0 if backwards else -1])
    raise AssertionError("the pages do not end")


conditions: dict[str, tuple[Condition, Any]] = {
    "everything": (EVERYTHING, lambda one: True),
    "one tier": (Equals("tier", [Tier.METRO], indexed=True), lambda one: one.tier is Tier.METRO),
    "two tiers and a test": (
        All([Equals("tier", [Tier.METRO, Tier.DISTRICT], indexed=True), Test(lambda one: one.ordinal % 2 == 0)]),  # type: ignore[attr-defined]  # Sites
        lambda one: one.tier in (Tier.METRO, Tier.DISTRICT) and one.ordinal % 2 == 0,
    ),
    "a test": (Test(lambda one: one.schedulable), lambda one: one.schedulable),  # type: ignore[attr-defined]  # Nodes
    "nothing": (NameIs(["nobody"]), lambda one: False),
}
orders = st.lists(
    st.builds(Order, field=st.sampled_from(FIELDS), descending=st.booleans()),
    max_size=3,
    unique_by=lambda one: one.field,
)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 5),
    orders,
    st.integers(1, 50),
    st.booleans(),
    st.sampled_from(sorted(conditions)),
    st.sampled_from([0, 2_048]),
    st.booleans(),
)
def test_pages_together_are_the_filtered_list_in_order(
    seed: int, order: list[Order], size: int, backwards: bool, name: str, short: int, as_viewer: bool
) -> None:
    view = settled(seed, tenants=2)
    reader: Reader = view
    if as_viewer:
        grants = frozenset({Grant(Role.VIEWER, view.ids("Tenant")[0])})
        reader = VisibleView(view, Viewer(id="user_1", name="u", grants=grants))
    where, holds = conditions[name]
    seen = [one for one in map(reader.get, view.ids("Site")) if one is not None]
    expected = in_order([one for one in seen if holds(one)], order or [Order("name")])
    before = name_walk.SORT_SHORT
    name_walk.SORT_SHORT = (
        short  # both ways to a page of names: along the index, and by sorting what another index found
    )
    try:
        pages = list(walk(reader, size=size, backwards=backwards, order=order, where=where))
    finally:
        name_walk.SORT_SHORT = before
    if backwards:
        pages.reverse()
    assert [one.id for page in pages for one in page.items] == [one.id for one in expected]
    assert all(page.count() == len(expected) for page in pages)
    assert not pages[0].has_previous or not backwards
    assert not pages[-1].has_next or backwards


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3), orders, st.integers(0, 39), st.integers(0, 39), st.integers(1, 50), st.booleans())
def test_a_page_between_two_cursors_is_that_stretch(
    seed: int, order: list[Order], a: int, b: int, size: int, backwards: bool
) -> None:
    view = settled(seed)
    whole = in_order([one for one in map(view.get, view.ids("Site")) if one is not None], order or [Order("name")])
    full = page_of(view, "Site", order=order, request=PageRequest(first=500))
    assert [one.id for one in full.items] == [one.id for one in whole]
    a, b = min(a, len(whole) - 1), min(b, len(whole) - 1)
    after, before = full.cursor(whole[a]), full.cursor(whole[b])
    request = (
        PageRequest(last=size, after=after, before=before)
        if backwards
        else PageRequest(first=size, after=after, before=before)
    )
    page = page_of(view, "Site", order=order, request=request)
    stretch = whole[a + 1 : b]
    expected = stretch[-size:] if backwards else stretch[:size]
    assert [one.id for one in page.items] == [one.id for one in expected]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3), orders, st.integers(1, 7), st.integers(0, 2**16), st.booleans())
def test_what_comes_and_goes_between_pages_moves_nothing_else(
    seed: int, order: list[Order], size: int, random_seed: int, backwards: bool
) -> None:
    view = graph(seed, 24)
    # What is changed meanwhile may be met in its old or in its new place; what stays is met once.
    order = [one for one in order if one.field not in ("display_name", "updated_at")]
    random_ = random.Random(random_seed)
    stays = set(random_.sample(list(view.ids("Site")), 16))
    met: list[str] = []
    for page in walk(view, size=size, backwards=backwards, order=order):
        met.extend(reversed([one.id for one in page.items]) if backwards else [one.id for one in page.items])
        edit = Edit(view, at=view.at + 1)
        gone = [one for one in view.ids("Site") if one not in stays]
        if gone and random_.random() < 0.5:
            entity = view.get(random_.choice(gone))
            assert entity is not None
            edit.delete(entity)
        elif view.count("Site") < 60:
            edit.create(Site, name=f"{random_.choice(NAMES)}-new{view.revision}", region_id=view.ids("Region")[0])
        if edit.changes:
            view.apply(commit_of(edit))
    assert len(met) == len(set(met))
    assert stays <= set(met)


def test_without_an_order_named_kinds_go_by_name_and_others_by_id() -> None:
    view = graph(1)
    page = page_of(view, "Site", request=PageRequest(first=500))
    names = [one.name for one in page.items if isinstance(one, Site)]
    assert names == sorted(names)
    region = view.ids("Region")[0]
    edit = Edit(view, at=view.at + 1)
    ends = list(view.ids("Site"))
    for n in range(5):
        edit.create(Link, from_site_id=ends[n], to_site_id=ends[n + 1], latency_ms=1.0)
    view.apply(commit_of(edit))
    page = page_of(view, "Link", request=PageRequest(first=500))
    assert [one.id for one in page.items] == list(view.ids("Link"))
    assert region


def test_a_size_is_within_its_bounds_and_has_a_default() -> None:
    view = graph(1, 70)
    assert len(page_of(view, "Site", request=PageRequest()).items) == 50
    assert len(page_of(view, "Site", request=PageRequest(), page_size_default=7).items) == 7
    nothing = page_of(view, "Site", request=PageRequest(first=0))
    assert nothing.items == []
    assert nothing.has_next
    for request, path in (
        (PageRequest(first=-1), "first"),
        (PageRequest(first=501), "first"),
        (PageRequest(last=501), "last"),
        (PageRequest(first=1, last=1), "last"),
    ):
        with pytest.raises(InvalidInput) as problem:
            page_of(view, "Site", request=request)
        assert problem.value.path == path
        assert problem.value.remedy in ("ask for 0 to 500, and follow the cursor", "leave one out")


def cursor_of(value: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("order", "cursor"),
    [
        ([], "nonsense"),
        ([], ""),
        ([], "%%%%"),
        ([], "é"),
        ([], cursor_of(["epoch-1", ["name", "id"], ["a"]])),
        ([], cursor_of(["epoch-1", ["name", "id"], ["a", None]])),
        ([], cursor_of(["epoch-1", ["name", "id"], [None, "site_1"]])),
        ([], cursor_of(["epoch-1", ["name", "id"], [7, "site_1"]])),
        ([], cursor_of(["epoch-1", ["-name", "-id"], ["a", "site_1"]])),
        ([], cursor_of(["epoch-1", ["id"], ["site_1"]])),
        ([], cursor_of(["epoch-2", ["name", "id"], ["a", "site_1"]])),
        ([], cursor_of({"epoch": "epoch-1"})),
        ([], cursor_of(["epoch-1", ["name", "id"], [["a"], "site_1"]])),
        ([Order("ordinal")], cursor_of(["epoch-1", ["ordinal", "id"], ["seven", "site_1"]])),
        ([Order("ordinal")], cursor_of(["epoch-1", ["ordinal", "id"], [True, "site_1"]])),
        ([Order("tier")], cursor_of(["epoch-1", ["tier", "id"], [1.5, "site_1"]])),
        (
            [Order("display_name"), Order("ordinal")],
            cursor_of(["epoch-1", ["display_name", "ordinal", "id"], [1, 1, "s"]]),
        ),
        ([Order("created_at")], cursor_of(["epoch-1", ["created_at", "id"], ["x", "site_1"]])),
        ([Order("id")], cursor_of(["epoch-1", ["id"], [5]])),
    ],
)
def test_a_cursor_that_was_tampered_with_is_refused(order: list[Order], cursor: str) -> None:
    view = graph(1)
    for request, path in ((PageRequest(after=cursor), "after"), (PageRequest(last=3, before=cursor), "before")):
        with pytest.raises(InvalidInput) as problem:
            page_of(view, "Site", order=order, request=request)
        assert problem.value.path == path
        assert problem.value.remedy


@settings(max_examples=150, deadline=None)
@given(orders, st.binary(max_size=80), st.booleans())
def test_no_bytes_make_a_cursor_a_bug(order: list[Order], body: bytes, encoded: bool) -> None:
    view = settled(1, 8)
    cursor = base64.urlsafe_b64encode(body).decode().rstrip("=") if encoded else body.decode("latin-1")
    try:
        page_of(view, "Site", order=order, request=PageRequest(after=cursor))
    except InvalidInput:
        return


def test_a_cursor_from_before_a_restore_is_told_apart() -> None:
    view = graph(1)
    page = page_of(view, "Site", request=PageRequest(first=3))
    cursor = page.cursor(page.items[-1])
    view.epoch = "epoch-2"
    with pytest.raises(InvalidInput, match="restored"):
        page_of(view, "Site", request=PageRequest(after=cursor))


def test_an_order_without_an_index_is_refused_beyond_a_size_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    view = graph(1)
    monkeypatch.setattr(listing, "MAX_SORTED", 10)
    with pytest.raises(LimitExceeded) as problem:
        page_of(view, "Site", order=[Order("ordinal")], request=PageRequest(first=3))
    assert problem.value.path == "orderBy"
    assert problem.value.remedy
    for order in ([], [Order("name", True)], [Order("id")], [Order("created_at", True)]):
        assert len(page_of(view, "Site", order=order, request=PageRequest(first=3)).items) == 3
    few = NameIs([one.name for one in map(view.get, view.ids("Site")[:5]) if isinstance(one, Site)])
    page = page_of(view, "Site", order=[Order("ordinal")], where=few, request=PageRequest(first=3))
    assert len(page.items) == 3


def test_the_total_is_counted_when_it_is_asked_for_and_not_before() -> None:
    view = graph(1)
    asked = 0

    def holds(entity: Entity) -> bool:
        nonlocal asked
        asked += 1
        return True

    page = page_of(view, "Site", where=Test(holds), request=PageRequest(first=2))
    assert asked < 10
    assert page.count() == view.count("Site")
    assert asked >= view.count("Site")


def test_a_page_costs_what_the_page_costs() -> None:
    view = graph(1, 300)
    looked_at = 0

    class Counting(View):
        def get(self, entity_id: str) -> Entity | None:
            nonlocal looked_at
            looked_at += 1
            return super().get(entity_id)

    counting = Counting()
    counting.become(view)
    page = page_of(counting, "Site", request=PageRequest(first=100))
    for order in ([], [Order("id")], [Order("name", True)], [Order("created_at")]):
        looked_at = 0
        request = PageRequest(first=5, after=page.cursor(page.items[-1]) if not order else None)
        page_of(counting, "Site", order=order, request=request)
        assert looked_at < 30, "a page along an index looks at its own entities and at a path of the search"
