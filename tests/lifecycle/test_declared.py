"""Deployments in documents: made, changed and taken away with their set."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from graph.kinds import Deployment, DeploymentPhase, Release, Site
from graph.request import Request
from graph.values import Resources
from lifecycle import document_batches, document_trials, placing
from lifecyclekit.declared import WORLD, applied, reached, sent, wanted
from server.app import Application
from worldkit.running import application_in

WANTED = """
---
kind: Deployment
metadata: {name: live, tenant: t}
spec: {appVersion: t/shop/1, policy: {minSites: 1, maxSites: 1}}
"""


async def test_a_deployment_follows_its_document(tmp_path: Path) -> None:
    async with application_in(tmp_path) as application:
        assert (await applied(application, WORLD + WANTED))["Deployment/live"] == "CREATED"
        await reached(application, DeploymentPhase.READY, sites=1)

        assert (await applied(application, WORLD + WANTED))["Deployment/live"] == "UNCHANGED"

        more = WANTED.replace("minSites: 1, maxSites: 1", "everywhere: true")
        assert (await applied(application, WORLD + more))["Deployment/live"] == "UPDATED"
        await reached(application, DeploymentPhase.READY, sites=2)

        assert (await applied(application, WORLD))["Deployment/live"] == "DELETED"
        await reached(application, None)
        assert application.ledger.view.count("Release") == 0


def deployments(application: Application) -> list[Deployment]:
    view = application.ledger.view
    return [one for key in view.ids("Deployment") if isinstance(one := view.get(key), Deployment)]


async def all_ready(application: Application, count: int, *, revision_number: int = 1) -> None:
    async with asyncio.timeout(60):
        while True:
            found = [one for one in deployments(application) if one.revision_number == revision_number]
            if len(found) == count and all(one.phase is DeploymentPhase.READY for one in found):
                return
            await asyncio.sleep(0.05)


async def test_a_whole_set_with_its_deployment_can_be_taken_away(tmp_path: Path) -> None:
    async with application_in(tmp_path) as application:
        view = application.ledger.view
        named = WANTED.replace("tenant: t}", 'tenant: t, external: {system: cmdb, id: "7"}}')
        await applied(application, WORLD + named)
        await reached(application, DeploymentPhase.READY, sites=1)
        assert set((await applied(application, WORLD + named)).values()) == {"UNCHANGED"}
        first = {one["name"]: one for one in (await sent(application, ""))["results"]}
        assert (first["live"]["action"], first["live"]["error"]) == ("DELETED", None)
        # What it runs on and what it runs is used until it is gone.
        for name in ("1", "one", "t"):
            told = first[name]
            if told["action"] != "DELETED":  # the site that it does not run on
                assert (told["action"], told["error"]["__typename"]) == ("UNCHANGED", "InUse")
        assert first["1"]["action"] == first["t"]["action"] == "UNCHANGED"
        await reached(application, None)
        assert set((await applied(application, "")).values()) == {"DELETED"}
        for kind in ("Tenant", "Region", "Site", "App", "Node", "Cluster"):
            assert view.count(kind) == 0, kind


async def test_a_document_that_waits_for_approval_already_asks_for_nothing_more(tmp_path: Path) -> None:
    gate = WORLD.replace(
        "kind: Tenant\nmetadata: {name: t}", "kind: Tenant\nmetadata: {name: t}\nspec: {requiresApproval: true}"
    )
    assert gate != WORLD
    async with application_in(tmp_path) as application:
        await applied(application, WORLD + WANTED)
        await reached(application, DeploymentPhase.READY, sites=1)
        more = gate + WANTED.replace("minSites: 1, maxSites: 1", "everywhere: true")
        assert (await applied(application, more))["Deployment/live"] == "UPDATED"
        [waiting] = deployments(application)
        assert waiting.proposal.number == 2
        for _ in range(2):
            assert (await applied(application, more))["Deployment/live"] == "UNCHANGED"
        [still] = deployments(application)
        assert still.proposal == waiting.proposal
        # Its drift policy is part of what is wanted, and waits like the rest.
        drifting = more.replace("policy: {everywhere: true}", "policy: {everywhere: true}, driftPolicy: REPORT")
        assert drifting != more
        assert (await applied(application, drifting))["Deployment/live"] == "UPDATED"
        [changed] = deployments(application)
        assert (changed.drift_policy.name, changed.proposal.drift_policy.name) == ("CORRECT", "REPORT")
        assert (await applied(application, drifting))["Deployment/live"] == "UNCHANGED"


SECOND = """
---
kind: AppVersion
metadata: {name: "2"}
spec: {app: t/shop}
---
kind: Component
metadata: {name: web}
spec:
  appVersion: t/shop/2
  artifact: {type: CONTAINER_IMAGE, reference: web2}
  resources: {cpuMillicores: 500, memoryBytes: 1000000}
"""


class Watched:
    """Tells whether placement is asked on the event loop's thread, where whatever holds the store's lock runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on_loop: list[bool] = []
        loop_thread, decide = threading.current_thread(), placing.decide

        def deciding(*given: Any, **limits: Any) -> Any:
            self.on_loop.append(threading.current_thread() is loop_thread)
            return decide(*given, **limits)

        monkeypatch.setattr(placing, "decide", deciding)


async def test_where_a_changed_deployment_runs_is_decided_before_the_lock_with_what_the_set_brings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with application_in(tmp_path) as application:
        await applied(application, WORLD + wanted("live"))
        await all_ready(application, 1)
        watched = Watched(monkeypatch)
        told = await applied(application, WORLD + SECOND + wanted("live", version="2"))
        assert (told["AppVersion/2"], told["Deployment/live"]) == ("CREATED", "UPDATED")
        assert watched.on_loop
        assert not any(watched.on_loop)
        await all_ready(application, 1, revision_number=2)
        # Whatever does not decide its place takes no decision.
        watched.on_loop.clear()
        await applied(
            application,
            (WORLD + SECOND + wanted("live", version="2")).replace('"live", ', '"live", "displayName": "L", '),
        )
        assert deployments(application)[0].display_name == "L"
        assert watched.on_loop == []


async def test_a_site_that_comes_with_the_set_can_be_chosen_at_once(tmp_path: Path) -> None:
    async with application_in(tmp_path) as application:
        await applied(application, WORLD + wanted("live"))
        await all_ready(application, 1)
        three = WORLD.replace("[one, two]", "[one, two, three]") + (
            "\n---\nkind: Site\nmetadata: {name: three, labels: {gpu: yes-please}}\nspec: {region: north}\n"
            "---\nkind: Node\nmetadata: {name: n3}\n"
            "spec: {site: three, cluster: both, capacity: {cpuMillicores: 4000, memoryBytes: 4000000000}}\n"
        )
        there = {"policy": {"minSites": 1, "maxSites": 1, "sites": {"labels": "gpu"}}}
        await applied(application, three + wanted("live", **there))
        await all_ready(application, 1, revision_number=2)
        site = application.ledger.view.find("Site", "three")
        assert site is not None
        assert application.ledger.view.count("Release", "site_id", site.id) == 1


async def test_deployments_of_one_set_do_not_take_each_others_room(tmp_path: Path) -> None:
    async with application_in(tmp_path) as application:
        names = ("a", "b")
        await applied(application, WORLD + "".join(wanted(one) for one in names))
        await all_ready(application, 2)
        # Each site has room for one of them when they are larger, and both would rather be at the same.
        large = {"replicas": {"web": 6}}
        told = await applied(application, WORLD + "".join(wanted(one, **large) for one in names))
        assert {told[f"Deployment/{one}"] for one in names} == {"UPDATED"}
        await all_ready(application, 2, revision_number=2)
        view = application.ledger.view
        assert sorted(view.count("Release", "site_id", one) for one in view.ids("Site")) == [1, 1]


async def test_what_has_no_room_anywhere_refuses_the_set_with_the_reason(tmp_path: Path) -> None:
    async with application_in(tmp_path) as application:
        await applied(application, WORLD + wanted("live"))
        await all_ready(application, 1)
        revision = application.ledger.view.revision
        answer = await sent(application, WORLD + SECOND + wanted("live", replicas={"web": 900}))
        assert not answer["applied"]
        refused = next(one for one in answer["results"] if one["action"] == "REFUSED")
        assert refused["error"]["__typename"] == "Unplaceable"
        unknown = await sent(application, WORLD + wanted("live", replicas={"wob": 1}))
        refused = next(one for one in unknown["results"] if one["action"] == "REFUSED")
        assert ": spec.replicas" in refused["error"]["path"]
        assert "input" not in refused["error"]["path"]
        assert application.ledger.view.revision == revision


async def test_a_set_that_places_many_anew_is_an_operation_and_decides_batch_by_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_trials, "PLACED_AT_ONCE", 2)
    monkeypatch.setattr(document_batches, "BATCH_CHANGES", 2 * document_batches.PLACED_WEIGHT)
    names = [f"d{n}" for n in range(5)]
    async with application_in(tmp_path) as application:
        first = await sent(application, WORLD + SECOND + "".join(wanted(one) for one in names))
        assert first["operation"] is None, "new ones are placed by themselves"
        await all_ready(application, 5)
        watched = Watched(monkeypatch)
        answer = await sent(application, WORLD + SECOND + "".join(wanted(one, version="2") for one in names))
        assert answer["operation"] is not None
        assert [one["action"] for one in answer["results"] if one["kind"] == "Deployment"] == ["UPDATED"] * 5
        await all_ready(application, 5, revision_number=2)
        assert len(watched.on_loop) >= 5
        assert not any(watched.on_loop)


async def test_a_deployment_that_changes_between_its_decision_and_its_commit_is_decided_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with application_in(tmp_path) as application:
        await applied(application, WORLD + wanted("live"))
        await all_ready(application, 1)
        sets: Any = application.services.documents
        try_out, trials = sets.try_out, 0

        async def meddled(*given: Any) -> Any:
            nonlocal trials
            tried = await try_out(*given)
            trials += 1
            if trials == 1:
                site = application.ledger.view.find("Site", await where(application))
                await application.ledger.commit(
                    lambda edit: edit.replace(site, schedulable=False), Request(author="test", action="cordon")
                )
                node = application.ledger.view.ids("Node", "site_id", site.id)[0]
                await application.ledger.commit(
                    lambda edit: edit.replace(edit.get(node), capacity=SMALL, allocatable=SMALL),
                    Request(author="test", action="shrink"),
                )
            return tried

        monkeypatch.setattr(sets, "try_out", meddled)
        before = await where(application)
        await applied(application, WORLD + wanted("live", replicas={"web": 2}), prune=False)
        await all_ready(application, 1, revision_number=2)
        assert trials == 2
        assert await where(application) != before


SMALL = Resources(cpu_millicores=1, memory_bytes=1)


async def where(application: Application) -> str:
    view = application.ledger.view
    (release,) = [one for key in view.ids("Release") if isinstance(one := view.get(key), Release) and one.wanted]
    site = view.get(release.site_id)
    assert isinstance(site, Site)
    return site.name
