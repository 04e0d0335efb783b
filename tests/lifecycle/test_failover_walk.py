"""A site is cut off as a user sees it: apps move or wait as their documents say, it returns, and nothing doubles.

Over the API alone, with a backend in a process of its own whose log is the proof.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from driverkit.effects import orphans, violations
from driverkit.simulated_process import SimulatedProcess
from lifecyclekit.declared import WORLD, applied, wanted
from server.app import Application
from worldkit.running import application_in, data

FOUR_WAYS = Path(__file__).parents[2] / "docs" / "examples" / "four-ways.yaml"
AUSTRIA = """
kind: Tenant
metadata: {name: demo}
---
kind: Region
metadata: {name: Austria}
---
kind: Site
metadata: {name: Vienna}
spec: {region: Austria}
---
kind: Site
metadata: {name: Salzburg}
spec: {region: Austria}
---
kind: Cluster
metadata: {name: centre}
spec: {driver: simulated, sites: [Vienna, Salzburg], endpoint: 'ENDPOINT', configuration: {cluster: centre}}
---
kind: Node
metadata: {name: v1}
spec: {site: Vienna, cluster: centre, capacity: {cpuMillicores: 4000, memoryBytes: 4294967296}}
---
kind: Node
metadata: {name: s1}
spec: {site: Salzburg, cluster: centre, capacity: {cpuMillicores: 4000, memoryBytes: 4294967296}}
---
"""
LOOK = """{ deployments { nodes {
  id name phase failover { mode single tolerationSeconds }
  displacement { state why losses { kind subject { id } since dueAt } plan { id kind moves } }
  releases { nodes { backendName phase wanted leftBehind generation site { id name fence { by { id } } } } } } } }"""
PLAN = """mutation($id: ID!) { applyPlan(input: {id: $id}) { __typename
  ... on ApplyPlanPayload { operations { kind } } ... on Error { code message } } }"""
FENCE = """mutation($id: ID!) { fence(input: {id: $id}) { __typename
  ... on FencePayload { entity { ... on Site { fence { by { id } } } } } ... on Error { code message remedy } } }"""
HOME = {"minSites": 1, "maxSites": 1, "preferences": [{"siteIds": ["one"]}, {}]}
"""At the first site while it can be."""
MODES = {
    "moves": {"mode": "APPLY", "tolerationSeconds": 0},
    "waits": {},
    "asks": {"mode": "PROPOSE", "tolerationSeconds": 0},
    "shows": {"mode": "REPORT", "tolerationSeconds": 0},
    "once": {"mode": "APPLY", "tolerationSeconds": 0, "single": True},
    "patient": {"mode": "APPLY", "tolerationSeconds": 600},
}


async def look(application: Application) -> dict[str, Any]:
    return {one["name"]: one for one in (await data(application, LOOK))["deployments"]["nodes"]}


async def until(application: Application, found: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    try:
        async with asyncio.timeout(60):
            while not found(shown := await look(application)):
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(shown) from None
    return shown


def runs_at(one: dict[str, Any]) -> list[str]:
    """The sites where it is wanted, and was seen to be ready."""
    return sorted(
        each["site"]["name"] for each in one["releases"]["nodes"] if each["wanted"] and each["phase"] == "READY"
    )


def stands(one: dict[str, Any]) -> str | None:
    state: str | None = (one["displacement"] or {}).get("state")
    return state


async def test_a_site_is_cut_off_and_returns_and_nothing_doubles(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="edge") as short:
        process = SimulatedProcess(tmp_path / "world", socket=Path(short) / "edge.sock").start()
        try:
            async with process.control("both") as control, application_in(tmp_path) as application:
                await control.behave(observeEveryMs=50)
                reached = f"endpoint: '{process.endpoint}', configuration: {{cluster: both}}"
                where = f"{{driver: simulated, sites: [one, two], {reached}}}"
                world = WORLD.replace("{driver: simulated, sites: [one, two]}", where)
                assert where in world
                made = await applied(
                    application,
                    world + "".join(wanted(name, policy=HOME, failover=failover) for name, failover in MODES.items()),
                )
                assert made["Deployment/once"] == "CREATED"
                begun = await until(application, lambda seen: all(runs_at(one) == ["one"] for one in seen.values()))
                assert len(begun) == len(MODES)
                assert begun["once"]["failover"] == {"mode": "APPLY", "single": True, "tolerationSeconds": 0}
                assert begun["waits"]["failover"]["mode"] == "OFF"
                names = {name: one["releases"]["nodes"][0]["backendName"] for name, one in begun.items()}

                await control.behave(awaySites=["one"])
                cut = await until(
                    application,
                    lambda seen: (
                        runs_at(seen["moves"]) == ["two"]
                        and stands(seen["asks"]) == "PROPOSED"
                        and stands(seen["shows"]) == "REPORTED"
                        and stands(seen["once"]) == "AWAITING_OLD"
                        and stands(seen["patient"]) == "TOLERATED"
                        and seen["waits"]["phase"] == "DEGRADED"
                    ),
                )
                assert stands(cut["waits"]) is None
                [lost] = {one["subject"]["id"] for one in cut["asks"]["displacement"]["losses"]}
                assert cut["asks"]["displacement"]["plan"]["kind"] == "FAILOVER"

                shown = await data(application, PLAN, {"id": cut["shows"]["displacement"]["plan"]["id"]})
                assert shown["applyPlan"]["code"] == "INVALID_STATE"
                done = await data(application, PLAN, {"id": cut["asks"]["displacement"]["plan"]["id"]})
                assert done["applyPlan"]["operations"] == [{"kind": "FAILOVER"}]
                await until(application, lambda seen: runs_at(seen["asks"]) == ["two"])
                assert runs_at((await look(application))["once"]) == []
                fenced = await data(application, FENCE, {"id": lost})
                assert fenced["fence"]["__typename"] == "FencePayload"
                moved = await until(application, lambda seen: runs_at(seen["once"]) == ["two"])
                assert {name for name, one in moved.items() if len(one["releases"]["nodes"]) == 2} == {
                    "moves",
                    "asks",
                    "once",
                }

                await control.behave(awaySites=[])
                back = await until(
                    application,
                    lambda seen: all(
                        one["phase"] == "READY" and one["displacement"] is None and len(one["releases"]["nodes"]) == 1
                        for one in seen.values()
                    ),
                )
                assert {name: runs_at(one) for name, one in back.items()} == {
                    "moves": ["two"],
                    "waits": ["one"],
                    "asks": ["two"],
                    "shows": ["one"],
                    "once": ["two"],
                    "patient": ["one"],
                }
                answer = await data(application, FENCE, {"id": lost})
                assert answer["fence"]["code"] == "INVALID_STATE", "it answers"

                effects = await control.effects()
                assert violations(effects) == []
                there = [one.name for one in await control.objects()]
                now = [each["backendName"] for one in back.values() for each in one["releases"]["nodes"]]
                assert sorted(there) == sorted(now)
                assert orphans(there, wanted=now) == []
                removed = [one.name for one in effects if one.what == "removed" and one.outcome.name == "DONE"]
                assert sorted(removed) == sorted(names[one] for one in ("moves", "asks", "once"))
                untouched = {names[one] for one in ("waits", "shows", "patient")}
                times = [one.name for one in effects if one.name in untouched and one.outcome.name == "DONE"]
                assert sorted(times) == sorted(untouched), "what stays is applied once and no more"
        finally:
            process.kill()


async def test_the_four_ways_of_the_documentation_are_what_it_says_they_are(tmp_path: Path) -> None:
    """The file of the walk in docs/lifecycle.md, as it is but for the 20 seconds of toleration."""
    documents = FOUR_WAYS.read_text(encoding="utf-8")
    assert documents.count("tolerationSeconds: 20") == 3
    with tempfile.TemporaryDirectory(prefix="edge") as short:
        process = SimulatedProcess(tmp_path / "world", socket=Path(short) / "edge.sock").start()
        try:
            async with process.control("centre") as control, application_in(tmp_path) as application:
                await control.behave(observeEveryMs=50)
                await applied(
                    application, AUSTRIA.replace("ENDPOINT", process.endpoint) + documents.replace(" 20", " 0")
                )
                begun = await until(application, lambda seen: all(runs_at(one) == ["Vienna"] for one in seen.values()))
                assert set(begun) == {"moves", "asks", "waits", "once"}

                await control.behave(awaySites=["Vienna"])
                cut = await until(
                    application,
                    lambda seen: (
                        runs_at(seen["moves"]) == ["Salzburg"]
                        and stands(seen["asks"]) == "PROPOSED"
                        and stands(seen["once"]) == "AWAITING_OLD"
                        and seen["waits"]["phase"] == "DEGRADED"
                    ),
                )
                assert stands(cut["waits"]) is None
                assert [runs_at(cut[name]) for name in ("asks", "waits", "once")] == [[], [], []]
                await data(application, PLAN, {"id": cut["asks"]["displacement"]["plan"]["id"]})
                await data(application, FENCE, {"id": cut["once"]["displacement"]["losses"][0]["subject"]["id"]})
                await until(
                    application, lambda seen: all(runs_at(seen[one]) == ["Salzburg"] for one in ("asks", "once"))
                )

                await control.behave(awaySites=[])
                back = await until(
                    application,
                    lambda seen: all(
                        one["phase"] == "READY" and len(one["releases"]["nodes"]) == 1 for one in seen.values()
                    ),
                )
                assert {name: runs_at(one) for name, one in back.items()} == {
                    "moves": ["Salzburg"],
                    "asks": ["Salzburg"],
                    "waits": ["Vienna"],
                    "once": ["Salzburg"],
                }
                assert violations(await control.effects()) == []
                now = [each["backendName"] for one in back.values() for each in one["releases"]["nodes"]]
                assert sorted(one.name for one in await control.objects()) == sorted(now), "each runs once"
        finally:
            process.kill()
