"""What one read of the view costs: an entity by id, and pages of 50 through the filters that indexes serve.

Reads go through the view that a caller sees, with conditions made as the API makes them from a filter, so that a figure
is what a resolver waits for. Each case draws its value anew each time, for one page asked again and again would only show
the processor's caches.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import strawberry

from access.viewer import Viewer
from access.visible import VisibleView
from bench.harness import median, undisturbed
from bench.worlds import World
from graph.conditions import Condition
from graph.entity import KINDS
from graph.kinds import Tier
from graph.listing import Order, PageRequest, page_of
from graph.view import View
from resolvers.schema import build_schema
from schema.filters import condition_of, filter_type
from schema.vocabulary import NAMES

PAGE = 50


class Case:
    """A list that is asked for: a kind, and the filter's fields, drawn anew for each read."""

    def __init__(self, kind: str, draw: Callable[[random.Random], dict[str, Any]]) -> None:
        self.kind = kind
        self.draw = draw


class Reads:
    """Reads of one world by one viewer."""

    def __init__(self, view: View, world: World, *, viewer: Viewer, seed: int = 5) -> None:
        build_schema()  # the filters' input types are made with it
        self.view = view
        self._visible = VisibleView(view, viewer)
        self._world = world
        self._random = random.Random(seed)

    def point_s(self, *, reads: int = 20_000) -> float:
        """Seconds of one read of any entity by its id."""
        ids = [one.id for one in self._random.choices([*self._world.nodes, *self._world.sites], k=reads)]
        get = self._visible.get
        with undisturbed():
            began = time.perf_counter()
            for one in ids:
                get(one)
            return (time.perf_counter() - began) / reads

    def cases(self) -> dict[str, Case]:
        """Filtered pages that an index serves, ordered by name."""
        world = self._world
        below = world.regions[world.size.countries :]
        prefixes = sorted({one.name[:6] for one in world.sites})
        return {
            "sites of a region": Case("Site", lambda any_: {"region": any_.choice(below).id}),
            "sites in a country": Case(
                "Site", lambda any_: {"in_region": any_.choice(world.regions[: world.size.countries]).id}
            ),
            "sites of a tier": Case("Site", lambda any_: {"tier": _enum("Tier", eq=Tier.METRO)}),
            "sites of the most common tier": Case("Site", lambda any_: {"tier": _enum("Tier", eq=Tier.DISTRICT)}),
            "sites of a tier in a region": Case(
                "Site",
                lambda any_: {"region": any_.choice(below).id, "tier": _enum("Tier", eq=Tier.DISTRICT)},
            ),
            "sites with a label": Case("Site", lambda any_: {"labels": f"zone=z{any_.randrange(40)}"}),
            "sites with one of two labels' values": Case(
                "Site", lambda any_: {"labels": f"zone in (z{any_.randrange(20)},z{any_.randrange(20, 40)})"}
            ),
            "sites whose name begins so": Case(
                "Site", lambda any_: {"name": _string(starts_with=any_.choice(prefixes))}
            ),
            "nodes of a site": Case("Node", lambda any_: {"site": any_.choice(world.sites).id}),
            "nodes with a label": Case("Node", lambda any_: {"labels": any_.choice(("gpu=a100", "gpu"))}),
            "nodes with a common label": Case("Node", lambda any_: {"labels": f"rack=r{any_.randrange(3)}"}),
            "nodes that are not ready": Case("Node", lambda any_: {"status": _status()}),
            "nodes whose name begins so": Case(
                "Node", lambda any_: {"name": _string(starts_with=any_.choice(prefixes))}
            ),
            "nodes of the less common architecture": Case("Node", lambda any_: {"arch": _string(eq="arm64")}),
            "nodes of two conditions": Case("Node", lambda any_: {"arch": _string(eq="arm64"), "labels": "gpu=a100"}),
        }

    def page_s(self, case: Case, *, reads: int = 400) -> float:
        """Median seconds of a page of 50; every second page is one further on."""
        took: list[float] = []
        for _ in range(reads):
            where = self.condition(case)
            order: Sequence[Order] = ()
            began = time.perf_counter()
            page = page_of(self._visible, case.kind, where=where, order=order, request=PageRequest(first=PAGE))
            took.append(time.perf_counter() - began)
            if page.has_next:
                request = PageRequest(first=PAGE, after=page.cursor(page.items[-1]))
                began = time.perf_counter()
                page_of(self._visible, case.kind, where=where, order=order, request=request)
                took.append(time.perf_counter() - began)
        return median(took)

    def first_page_s(self, case: Case) -> float:
        """Seconds of a page that nobody has asked for since the start."""
        where = self.condition(case)
        began = time.perf_counter()
        page_of(self._visible, case.kind, where=where, request=PageRequest(first=PAGE))
        return time.perf_counter() - began

    def condition(self, case: Case) -> Condition:
        """What the API makes of the case's filter."""
        kind = KINDS[case.kind]
        filter_type(kind)
        given = SimpleNamespace(**case.draw(self._random))
        return condition_of(kind, given, reader=self._visible)


def _operators(name: str, **given: Any) -> Any:
    made = NAMES[name]
    fields = {one.python_name: strawberry.UNSET for one in made.__strawberry_definition__.fields}
    return SimpleNamespace(**(fields | given))


def _enum(name: str, **given: Any) -> Any:
    return _operators(f"{name}Filter", **given)


def _string(**given: Any) -> Any:
    return _operators("StringFilter", **given)


def _status() -> Any:
    from graph.kinds import NodeStatus

    return _enum("NodeStatus", eq=NodeStatus.NOT_READY)
