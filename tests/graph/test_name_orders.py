"""Entries kept in the order of names: always what sorting them anew would give, whatever is committed in between."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from access.viewer import SYSTEM, Grant, Viewer
from access.visible import VisibleView
from graph.edit import Edit
from graph.kinds import Region, Role, Site, Tenant, Tier
from graph.name_orders import NameOrders
from graph.view import View
from graphkit.programs import Model, Step, commit_of, cut, programs, run

ASKED = [
    ("Site", "tier", "METRO"),
    ("Site", "tier", "DISTRICT"),
    ("Site", "label:zone", "west"),
    ("Site", "label:zone", ""),
    ("Node", "schedulable", "true"),
    ("Region", "level", "PROVINCE"),
]


def sorted_anew(view: View, kind: str, field: str, value: str) -> list[str]:
    return sorted(view.ids(kind, field, value), key=lambda one: (view.get(one).name, one))  # type: ignore[union-attr]  # there, and of a named kind


def entry(reader: View | VisibleView, kind: str, field: str, value: str) -> list[str]:
    return [one for ids in reader.entries_by_name(kind, [(field, value)]) for one in ids]


@settings(max_examples=120, deadline=None)
@given(programs(longest=40), st.integers(1, 8), st.sampled_from([3, 500_000]))
def test_an_entry_stays_in_the_order_of_names_through_commits(program: list[Step], commits: int, most: int) -> None:
    view, model = View(), Model()
    view._orders = NameOrders(most_ids=most)
    for part in cut(program, commits):
        edit = Edit(view, at=view.at + 1)
        run(edit, model, part)
        if edit.changes:
            view.apply(commit_of(edit))
        for asked in ASKED:
            assert entry(view, *asked) == sorted_anew(view, *asked)


@pytest.fixture(autouse=True)
def _entries_of_one_id_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that every way in and out of them is taken."""
    monkeypatch.setattr("graph.name_orders.FEW", 0)


def test_what_is_kept_is_bounded_and_the_longest_unasked_goes_first() -> None:
    orders = NameOrders(most_entries=2, most_ids=10)
    names = {str(number): (f"name-{number % 7}", str(number)) for number in range(30)}
    everybody = sorted(names, key=names.__getitem__)

    def ask(value: str, ids: list[str]) -> list[str]:
        return list(orders.of(("Site", "tier", value), ids, everybody=everybody, name_key=names.__getitem__))

    assert ask("a", ["3", "10", "1"]) == ["1", "10", "3"]
    ask("b", ["2"])
    ask("a", ["3", "10", "1"])
    ask("c", ["4"])
    assert len(orders) == 2
    assert ask("a", []) == ["1", "10", "3"], "kept, so what it is made from is not looked at"
    assert ask("b", []) == [], "gone, so it is made anew"
    assert len(ask("d", [str(number) for number in range(12)])) == 12
    assert len(orders) <= 2, "too large to be kept"


@pytest.mark.parametrize(
    ("grants", "tenants"),
    [
        ({Grant(Role.ADMIN, None)}, [None, "a", "b"]),
        ({Grant(Role.VIEWER, "a")}, [None, "a"]),
        ({Grant(Role.GUEST, "b")}, [None, "b"]),
    ],
)
def test_a_viewer_has_the_entry_without_what_it_does_not_see(grants: set[Grant], tenants: list[str | None]) -> None:
    view = View()
    edit = Edit(view, at=1)
    ids = {name: edit.create(Tenant, name=name).id for name in ("a", "b")}
    region = edit.create(Region, name="r")
    owners = [None, ids["a"], ids["b"]]
    for number in range(200):
        edit.create(
            Site,
            name=f"s{number * 37 % 200}",
            region_id=region.id,
            tier=Tier.METRO if number % 3 else Tier.REGIONAL,
            tenant_id=owners[number % 7 % 3],
        )
    view.apply(commit_of(edit))
    held = frozenset(Grant(one.role, ids.get(one.tenant_id or "")) for one in grants)
    seen = VisibleView(view, Viewer(id="user_x", name="x", grants=held) if tenants != [None, "a", "b"] else SYSTEM)
    expected = [
        one
        for one in sorted_anew(view, "Site", "tier", "METRO")
        if view.get(one).tenant_id in [ids.get(name or "") for name in tenants]  # type: ignore[union-attr]  # there, and of a kind with a tenant
    ]
    assert entry(seen, "Site", "tier", "METRO") == expected
    assert entry(seen, "Site", "tier", "METRO") == expected, "the kept order is not changed by a reader"
