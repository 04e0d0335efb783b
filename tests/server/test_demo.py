"""The demonstration: made once, moved by a seed, and never what is not its own."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from access.viewer import SYSTEM
from graph.documents import document_from
from graph.edit import Edit
from graph.entity import KINDS, Source, SourceKind
from graph.kinds import Cluster, Deployment, Link, LinkState, Node, Region, Site, Tenant
from graph.ledger import Ledger
from graph.refusal import Unavailable
from graph.request import Request
from graph.store import RecordPage
from graph.view import Reader, each
from lifecycle.document_sets import DocumentSets
from server.app import Application, running
from server.demo import KEY, SOURCE, Demo, demo
from server.demo_network import DEPLOYMENTS, app_documents, countries, network_documents
from server.settings import Settings

REQUEST = Request(author=SYSTEM.id, action="test")


@contextlib.asynccontextmanager
async def server(folder: Path) -> AsyncIterator[Application]:
    async with running(Settings(data_dir=folder / "data", key_file=folder / "key" / "key", ui="off")) as application:
        yield application


def made_by_others(reader: Reader) -> dict[str, int]:
    """The revisions of everything live that has another source, but for what the lifecycle makes."""
    own = (SOURCE, Source(SOURCE.kind, f"installation/{SOURCE.name}"))
    kinds = ("Region", "Site", "Link", "Cluster", "Node", "Tenant", "App", "Deployment", "User")
    found = [one for kind in kinds for one in each(reader, KINDS[kind].type)]
    return {one.id: one.revision for one in found if one.source not in own}


def state(reader: Reader) -> tuple[object, ...]:
    """What the demonstration has changed, without ids and times."""
    down = sorted(one.external.id for one in each(reader, Link) if one.state is LinkState.DOWN and one.external)
    loads = sorted(
        (one.external.id, one.reserved_mbps) for one in each(reader, Link) if one.reserved_mbps and one.external
    )
    away = sorted((one.name, str(one.configuration)) for one in each(reader, Cluster))
    return down, loads, away


def test_the_documents_are_always_the_same_and_can_be_read() -> None:
    documents = [*network_documents(), *app_documents()]
    assert documents == [*network_documents(), *app_documents()]
    for at, one in enumerate(documents):
        document_from(one, where=str(at))
    tiers = Counter(
        one["spec"].get("tier") for one in documents if one["kind"] == "Site" and one["spec"]["role"] == "COMPUTE"
    )
    assert set(tiers) == {"NATIONAL", "REGIONAL", "METRO", "DISTRICT"}
    nodes = [one["spec"] for one in documents if one["kind"] == "Node"]
    assert {one["arch"] for one in nodes} == {"amd64", "arm64"}
    assert any("accelerators" in one["capacity"] for one in nodes)
    assert len({one["capacity"]["cpuMillicores"] for one in nodes}) >= 4


def test_each_city_lies_in_a_country_and_what_lies_at_sea_in_none() -> None:
    documents = network_documents()
    regions = {one["metadata"]["name"]: one["spec"] for one in documents if one["kind"] == "Region"}
    assert regions["Europe"]["level"] == "CONTINENT"
    assert {one["level"] for one in regions.values() if one.get("parent") == "Europe"} == {"COUNTRY"}
    assert set(regions) == {"Europe", *countries()}
    sites = {one["metadata"]["name"]: one for one in documents if one["kind"] == "Site"}
    for city, country in {"Vienna": "Austria", "Lyon": "France", "Stockholm": "Sweden", "Zaragoza": "Spain"}.items():
        assert sites[city]["spec"]["region"] == country
    assert "Europe" not in {one["spec"]["region"] for one in sites.values() if one["spec"]["role"] == "COMPUTE"}
    at_sea = [one for one in sites.values() if one["spec"]["region"] == "Europe"]
    assert {one["metadata"]["labels"]["type"] for one in at_sea} == {"sea-cable-waypoint", "sea-cable-landing"}
    assert "Ekofisk" in {one["metadata"]["name"] for one in at_sea}
    keys = [key for each_of in countries().values() for key in each_of]
    assert len(keys) == len(set(keys)) == len(sites) - len(at_sea)


async def test_a_demonstration_of_before_there_were_countries_gets_them(tmp_path: Path) -> None:
    async with server(tmp_path) as application:
        ledger = application.ledger
        before = [one for one in network_documents() if one["kind"] in ("Site", "Link")]
        region = next(one for one in network_documents() if one["metadata"]["name"] == "Europe")
        for one in before:
            if one["kind"] == "Site":
                one["spec"]["region"] = "Europe"
        parsed = [document_from(one, where=str(at)) for at, one in enumerate([region, *before])]
        await DocumentSets(ledger).apply(parsed, viewer=SYSTEM, source=SOURCE, request=REQUEST)
        vienna = ledger.view.find("Site", "Vienna")
        assert vienna is not None
        assert await Demo(ledger=ledger, lifecycle=application.services.lifecycle).load() is None
        assert ledger.view.count("Site") == 852
        after = ledger.view.get(vienna.id)
        austria = ledger.view.find("Region", "Austria")
        assert isinstance(after, Site)
        assert austria is not None
        assert after.region_id == austria.id


async def test_it_is_loaded_once_and_moves(tmp_path: Path) -> None:
    async with server(tmp_path) as application:
        ledger, lifecycle = application.ledger, application.services.lifecycle
        await ledger.commit(lambda edit: edit.create(Region, name="mine"), REQUEST)
        running_demo = Demo(ledger=ledger, lifecycle=lifecycle)
        assert await running_demo.load() is None
        view = ledger.view
        assert {one.name for one in each(view, Deployment)} == set(DEPLOYMENTS)
        assert (view.count("Site"), view.count("Cluster"), view.count("Tenant")) == (852, 3, 1)
        others, counts = made_by_others(view), {kind: view.count(kind) for kind in ("Site", "Link", "Node", "App")}
        for _ in range(40):
            assert await running_demo.step() is None
        assert made_by_others(view) == others
        down, loads, away = state(view)
        assert loads
        assert down or "[]" not in str(away)
        audited = await ledger.store.records(RecordPage(collection="audit", limit=1_000))
        assert b"moveDemo" not in b"".join(bytes(one.body) for one in audited), "nobody did it"
        again = Demo(ledger=ledger, lifecycle=lifecycle)
        assert await again.load() is None
        assert {kind: view.count(kind) for kind in counts} == counts
        assert all(one.state is LinkState.UP for one in each(view, Link))
        assert all(one.configuration["awayNodes"] == [] for one in each(view, Cluster))


async def test_the_same_seed_moves_the_same_things(tmp_path: Path) -> None:
    states = []
    for name in ("a", "b"):
        async with server(tmp_path / name) as application:
            one = Demo(ledger=application.ledger, lifecycle=application.services.lifecycle, seed=3)
            await one.load()
            # Without its deployments, whose standing depends on how quickly they are made.
            one._tenant = "nobody's"
            for _ in range(25):
                await one.step()
            states.append(state(application.ledger.view))
    assert states[0] == states[1]


async def test_names_that_others_have_are_left_to_them(tmp_path: Path) -> None:
    async with server(tmp_path) as application:
        ledger, lifecycle = application.ledger, application.services.lifecycle
        mine = Source(SourceKind.USER, "mara")

        def make(edit: Edit) -> None:
            region = edit.create(Region, name="Europe", source=mine)
            edit.create(Site, name="Vienna", region_id=region.id, source=mine)
            edit.create(Tenant, name="demo", source=mine)

        await ledger.commit(make, REQUEST)
        others = made_by_others(ledger.view)
        for _ in range(2):
            assert await Demo(ledger=ledger, lifecycle=lifecycle).load() is None
            view = ledger.view
            assert made_by_others(view) == others
            made = {one.name for one in each(view, Region, "source", KEY)}
            assert made == {"demo-Europe", *(f"demo-{country}" for country in countries())}
            assert {one.name for one in each(view, Tenant, "source", KEY)} == {"demo-demo"}
            assert view.count("Node", "source", KEY) == view.count("Node")
            assert view.count("Site") == 853
        assert {one.name for one in each(ledger.view, Deployment)} == set(DEPLOYMENTS)
        assert isinstance(next(each(ledger.view, Node)), Node)


async def test_it_moves_at_its_rate_and_with_none_it_is_left_alone(tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 5:
            raise Enough

    async with server(tmp_path) as application:
        given = {"ledger": application.ledger, "lifecycle": application.services.lifecycle, "sleep": sleep}
        await demo(**given, rate_hz=0)
        assert slept == []
        assert application.ledger.view.count("Site") == 852
        with pytest.raises(Enough):
            await demo(**given, rate_hz=4)
        assert slept == [0.25] * 5


class Full:
    """A ledger whose store takes nothing while it is full."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.full = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def commit(self, *given: Any, **options: Any) -> Any:
        if self.full:
            raise Unavailable("the disk is full", remedy="make room")
        return await self._ledger.commit(*given, **options)


async def test_it_says_once_that_it_waits_for_a_store_that_takes_nothing_and_goes_on_when_it_does(
    tmp_path: Path,
) -> None:
    async with server(tmp_path) as application:
        ledger: Any = Full(application.ledger)
        pauses = 0

        async def sleep(seconds: float) -> None:
            nonlocal pauses
            pauses += 1
            ledger.full = pauses < 4

        with structlog.testing.capture_logs() as told:
            await demo(ledger=ledger, lifecycle=application.services.lifecycle, rate_hz=0, sleep=sleep)
        assert (pauses, application.ledger.view.count("Site")) == (4, 852)
        ours = [(one["event"], one.get("reason")) for one in told if one["event"].startswith("demo.")]
        assert ours[0] == ("demo.waits", "the disk is full")
        assert [event for event, _ in ours].count("demo.waits") == 1
        assert [event for event, _ in ours[-2:]] == ["demo.goes_on", "demo.ready"]


async def test_what_could_not_come_back_for_want_of_a_store_comes_back_later(tmp_path: Path) -> None:
    async with server(tmp_path) as application:
        ledger: Any = Full(application.ledger)
        ledger.full = False
        one = Demo(ledger=ledger, lifecycle=application.services.lifecycle)
        await one.load()
        await one._lose("link", one._links())

        def down() -> int:
            return sum(link.state is LinkState.DOWN for link in each(application.ledger.view, Link))

        assert down() == 1
        one._step, ledger.full = 100, True
        assert (await one.step()).message == "the disk is full"
        ledger.full = False
        assert await one.step() is None
        assert down() == 0
