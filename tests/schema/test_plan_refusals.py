"""Why sites were not chosen is put into words in a thread: for thousands of sites it takes as much as a decision."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from placement.decision import SiteRefusal
from schema.types import placement
from schema.types.placement import UNSET

INFO = SimpleNamespace(context=SimpleNamespace(page_size_max=100))


async def test_a_page_of_refusals_is_made_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    made_in: list[int] = []

    def page(decision: object, **asked: object) -> tuple[list[SiteRefusal], int, bool]:
        made_in.append(threading.get_ident())
        assert (decision, asked) == ("decision", {"first": 3, "after": None, "rule": None, "site_id": None})
        return [], 7, True

    monkeypatch.setattr(placement, "refusals_page", page)
    decision: Any = "decision"
    found = await placement._refusals(decision, INFO, first=3, after=UNSET, filter=UNSET)
    assert (found.total_count, found.page_info.has_next_page) == (7, True)
    assert made_in != [threading.get_ident()]


async def test_sites_are_counted_by_rule_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    made_in: list[int] = []

    def counted(decision: object) -> dict[str, int]:
        made_in.append(threading.get_ident())
        return {"region": 1, "capacity": 4, "cordon": 4}

    monkeypatch.setattr(placement, "sites_by_rule", counted)
    decision: Any = "decision"
    found = await placement._rules(decision, INFO)
    assert [(one.rule, one.sites) for one in found] == [("capacity", 4), ("cordon", 4), ("region", 1)]
    assert made_in != [threading.get_ident()]
