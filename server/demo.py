"""`serve --demo`: a graph that lives, for a first look.

A backbone of European cities is loaded once (demo_network.py), three apps are deployed on it, and then things keep
happening: machines and a city go away and come back, links fail, apps are scaled and updated. All of it goes through what
users and observers go through: the ledger, the lifecycle, the configuration of simulated clusters. What happens is a
function of a seed and the number of the step; only when it happens is the clock's.

It changes what it made itself (source IMPORT:demo, tenant demo) and nothing else, and makes nothing twice: a second start
finds everything there.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

import msgspec
import structlog

from access.viewer import SYSTEM
from access.visible import VisibleView
from graph.applying import Action
from graph.documents import document_from
from graph.edit import Edit
from graph.entity import Source, SourceKind
from graph.kinds import (
    App,
    AppVersion,
    Cluster,
    Component,
    Deployment,
    DeploymentPhase,
    FailoverPolicy,
    Link,
    LinkState,
    Node,
    Region,
    Site,
    SiteRole,
    Tenant,
)
from graph.kinds.policy import LatencyTarget, Place, PlacementPolicy, SiteSelector
from graph.ledger import Ledger
from graph.refusal import Refusal, Unavailable
from graph.request import Request
from graph.view import Reader, each
from lifecycle.document_sets import DocumentSets
from lifecycle.service import Lifecycle
from lifecycle.wishes import Adjustment, Wish
from server.demo_network import DEPLOYMENTS, NAME, REGION, TENANT, app_documents, network_documents

log = structlog.get_logger(__name__)

SOURCE = Source(SourceKind.IMPORT, NAME)
KEY = f"{SOURCE.kind.name}:{SOURCE.name}"
"""The source as the view's index and external ids have it."""
PREFIXES = ("", "demo-")
"""What the names begin with: nothing, unless others have such names already."""
SEED = 7
MOST_AWAY = {"node": 8, "link": 6, "site": 2}
"""How many of each may be away at a time."""
BACK_AFTER = {"node": (4, 14), "link": (6, 20), "site": (20, 40)}
"""After how many steps they come back."""
UNAVAILABLE_PAUSE_S = 5.0
MAX_REPLICAS = 5

Sleep = Callable[[float], Awaitable[None]]


async def demo(
    *, ledger: Ledger, lifecycle: Lifecycle, rate_hz: float, seed: int = SEED, sleep: Sleep = asyncio.sleep
) -> None:
    """Loads the demonstration and keeps it moving until it is cancelled; with a rate of 0 it is loaded and left alone.

    `demo.ready` in the log says that it is loaded and that what an earlier run had left away is back: what is taken away
    sooner may come back. Raises nothing for what is refused or for a store that is away: that is logged, and the next step
    tried.
    """
    running = Demo(ledger=ledger, lifecycle=lifecycle, seed=seed)
    await _until(running.load, sleep)
    log.info("demo.ready")
    if rate_hz <= 0:
        return
    while True:
        await sleep(1 / rate_hz)
        await _until(running.step, sleep)


async def _until(done: Callable[[], Awaitable[Unavailable | None]], sleep: Sleep) -> None:
    """Tries until the store takes it; says once that it waits for the store, and why."""
    waits = False
    while (why := await done()) is not None:
        if not waits:
            log.warning("demo.waits", reason=why.message, remedy=why.remedy)
        waits = True
        await sleep(UNAVAILABLE_PAUSE_S)
    if waits:
        log.info("demo.goes_on")


class Demo:
    """The demonstration: `load` once, then `step` by step."""

    def __init__(self, *, ledger: Ledger, lifecycle: Lifecycle, seed: int = SEED) -> None:
        self._ledger = ledger
        self._lifecycle = lifecycle
        self._random = Random(seed)  # noqa: S311 - what happens in a demonstration is no secret
        self._step = 0
        self._prefix = ""
        self._tenant = TENANT
        self._away: dict[str, set[str]] = {"node": set(), "link": set(), "site": set()}
        self._returns: list[tuple[int, str, str]] = []
        """(step, sort, name) of what comes back, as a heap."""

    # Loading

    async def load(self) -> Unavailable | None:
        """Makes what is missing. Why not, when the store does not take it now and it should be tried again."""
        try:
            if not await self._load_network() or not await self._load_apps():
                return None
            await self._everything_is_back()
            for name in DEPLOYMENTS:
                await self._deploy(name)
        except Unavailable as away:
            return away
        except Refusal as refusal:
            log.warning("demo.refused", reason=refusal.message, remedy=refusal.remedy, path=refusal.path)
        return None

    async def _load_network(self) -> bool:
        """Under names that nobody else has; those of an earlier run are kept."""
        regions = each(self._ledger.view, Region, "source", KEY)
        earlier = next((one.name.removesuffix(REGION) for one in regions if one.parent_id is None), None)
        for prefix in PREFIXES if earlier is None else (earlier,):
            self._prefix = prefix
            if await self._apply(await asyncio.to_thread(network_documents, prefix=prefix)):
                return True
        return False

    async def _load_apps(self) -> bool:
        earlier = next((one.name for one in each(self._ledger.view, Tenant, "source", KEY)), None)
        for tenant in [prefix + TENANT for prefix in PREFIXES] if earlier is None else [earlier]:
            self._tenant = tenant
            if await self._apply(app_documents(tenant=tenant)):
                return True
        return False

    async def _apply(self, documents: Sequence[dict[str, Any]]) -> bool:
        """Applies documents; False, and nothing applied, when one is refused."""
        parsed = [document_from(one, where=f"demo {at}") for at, one in enumerate(documents)]
        request = self._request("loadDemo")
        applied = await DocumentSets(self._ledger).apply(parsed, viewer=SYSTEM, source=SOURCE, request=request)
        for one in applied.outcomes:
            if one.error is not None:
                log.info("demo.refused", kind=one.kind, name=one.name, reason=one.error.message)
                return False
        log.info("demo.loaded", changed=len(applied.outcomes) - applied.count(Action.UNCHANGED))
        return True

    async def _everything_is_back(self) -> None:
        """What an earlier run left away comes back: nothing else would bring it."""

        def change(edit: Edit) -> None:
            for link in each(edit, Link, "source", KEY):
                if link.state is LinkState.DOWN:
                    edit.replace(link, state=LinkState.UP)
            for cluster in each(edit, Cluster, "source", KEY):
                edit.replace(cluster, configuration={**cluster.configuration, "awayNodes": [], "awaySites": []})

        await self._commit(change, "healDemo")

    async def _deploy(self, name: str) -> None:
        view = self._ledger.view
        tenant = self._its_tenant()
        wanted = DEPLOYMENTS[name]
        version = self._version(str(wanted["version"]))
        if tenant is None or version is None or view.find("Deployment", name, tenant.id) is not None:
            return
        targets = [
            LatencyTarget(place=Place(name=place, site_id=site.id), within_ms=within)
            for place, within in wanted["places"].items()
            if isinstance(site := view.find("Site", self._prefix + place), Site)
        ]
        given = dict(wanted["policy"])
        selector = SiteSelector(**given.pop("sites", {}))
        wish = Wish(
            tenant_id=tenant.id,
            name=name,
            app_version_id=version.id,
            policy=PlacementPolicy(sites=selector, latency=targets, **given),
            failover=msgspec.convert(wanted.get("failover", {}), FailoverPolicy),
        )
        try:
            await self._lifecycle.deploy(wish, self._request("deployDemo", tenant.id), visible=_visible, wait=True)
        except Unavailable:
            raise
        except Refusal as refusal:
            log.warning("demo.not_deployed", deployment=name, reason=refusal.message)

    # Moving

    async def step(self) -> Unavailable | None:
        """One change, or what is due to come back. Why not, when the store does not take it now."""
        self._step += 1
        try:
            if self._returns and self._returns[0][0] <= self._step:
                await self._comes_back(heapq.heappop(self._returns))
            else:
                await self._something()
        except Unavailable as away:
            return away
        except Refusal as refusal:
            # Most steps are of a random deployment, which may have changed since or have no room: nobody need act on it.
            log.debug("demo.step_refused", step=self._step, reason=refusal.message)
        return None

    async def _comes_back(self, due: tuple[int, str, str]) -> None:
        _, sort, name = due
        self._away[sort].discard(name)
        try:
            await self._set_away(sort)
            if sort == "link":
                await self._set_link(name, LinkState.UP)
        except Unavailable:
            heapq.heappush(self._returns, due)
            raise

    async def _something(self) -> None:
        chance = self._random.random()
        if chance < 0.34:
            await self._lose("node", self._nodes())
        elif chance < 0.54:
            await self._lose("link", self._links())
        elif chance < 0.58:
            await self._lose("site", self._sites())
        elif chance < 0.80:
            await self._load_links()
        elif chance < 0.95:
            await self._scale()
        else:
            await self._update()

    async def _lose(self, sort: str, names: Sequence[str]) -> None:
        """Takes one of these away for a while."""
        name = self._random.choice(names) if names else None
        steps = self._random.randint(*BACK_AFTER[sort])
        if name is None or name in self._away[sort] or len(self._away[sort]) >= MOST_AWAY[sort]:
            return
        self._away[sort].add(name)
        heapq.heappush(self._returns, (self._step + steps, sort, name))
        if sort == "link":
            await self._set_link(name, LinkState.DOWN)
        else:
            await self._set_away(sort)

    async def _set_away(self, sort: str) -> None:
        """Tells the simulated clusters which nodes or sites are away; their observers find out by themselves."""
        if sort == "link":
            return
        key = {"node": "awayNodes", "site": "awaySites"}[sort]
        away = sorted(self._away[sort])

        def has(edit: Edit, cluster: Cluster, name: str) -> bool:
            if sort == "node":
                return edit.find("Node", name, cluster.id) is not None
            site = edit.find("Site", name)
            return site is not None and site.id in cluster.site_ids

        def change(edit: Edit) -> None:
            for cluster in each(edit, Cluster, "source", KEY):
                names = [name for name in away if has(edit, cluster, name)]
                edit.replace(cluster, configuration={**cluster.configuration, key: names})

        await self._commit(change, "moveDemo")

    async def _set_link(self, external_id: str, state: LinkState) -> None:
        def change(edit: Edit) -> None:
            link = edit.find_external(KEY, external_id)
            if isinstance(link, Link) and link.source == SOURCE:
                edit.replace(link, state=state)

        await self._commit(change, "moveDemo")

    async def _load_links(self) -> None:
        """Traffic on a few links changes."""
        names = self._links()
        chosen = [(self._random.choice(names), self._random.random()) for _ in range(5)] if names else []

        def change(edit: Edit) -> None:
            for name, share in chosen:
                link = edit.find_external(KEY, name)
                if isinstance(link, Link) and link.source == SOURCE and link.bandwidth_mbps is not None:
                    edit.replace(link, reserved_mbps=float(round(link.bandwidth_mbps * share * 0.9)))

        await self._commit(change, "moveDemo")

    async def _scale(self) -> None:
        deployment = self._a_deployment()
        count = self._random.randint(1, MAX_REPLICAS)
        which = self._random.random()
        if deployment is None:
            return
        version = deployment.app_version_id
        names = sorted(one.name for one in each(self._ledger.view, Component, "app_version_id", version))
        if not names:
            return
        replicas = {names[int(which * len(names))]: count}
        await self._lifecycle.scale(
            deployment.id, replicas, self._request("scaleDemo", deployment.tenant_id), visible=_visible
        )

    async def _update(self) -> None:
        """The game changes between its two versions."""
        deployment = self._deployment("arena")
        if deployment is None:
            return
        current = self._ledger.view.get(deployment.app_version_id)
        other = self._version("arena/5.1" if getattr(current, "name", "") == "5.2" else "arena/5.2")
        if other is None:
            return
        change = Adjustment(deployment_id=deployment.id, app_version_id=other.id)
        await self._lifecycle.update(change, self._request("updateDemo", deployment.tenant_id), visible=_visible)

    # What there is of its own, in an order that does not depend on ids

    def _nodes(self) -> list[str]:
        return sorted(one.name for one in each(self._ledger.view, Node, "source", KEY))

    def _links(self) -> list[str]:
        found = each(self._ledger.view, Link, "source", KEY)
        return sorted(one.external.id for one in found if one.external is not None)

    def _sites(self) -> list[str]:
        found = each(self._ledger.view, Site, "source", KEY)
        return sorted(one.name for one in found if one.role is SiteRole.COMPUTE)

    def _a_deployment(self) -> Deployment | None:
        return self._deployment(self._random.choice(sorted(DEPLOYMENTS)))

    def _deployment(self, name: str) -> Deployment | None:
        """A deployment of the demonstration's tenant that stands, and is not on its way already."""
        tenant = self._its_tenant()
        if tenant is None:
            return None
        found = self._ledger.view.find("Deployment", name, tenant.id)
        standing = (DeploymentPhase.READY, DeploymentPhase.DEGRADED)
        return found if isinstance(found, Deployment) and found.phase in standing else None

    def _version(self, path: str) -> AppVersion | None:
        app_name, _, version_name = path.partition("/")
        tenant = self._its_tenant()
        app = self._ledger.view.find("App", app_name, tenant.id) if tenant is not None else None
        found = self._ledger.view.find("AppVersion", version_name, app.id) if isinstance(app, App) else None
        return found if isinstance(found, AppVersion) else None

    def _its_tenant(self) -> Tenant | None:
        found = self._ledger.view.find("Tenant", self._tenant)
        return found if isinstance(found, Tenant) and found.source == SOURCE else None

    async def _commit(self, change: Callable[[Edit], None], action: str) -> None:
        """What happens to the network is like the weather: it is nobody's act, so the audit does not fill with it."""
        await self._ledger.commit(change, self._request(action, audited=False))

    def _request(self, action: str, tenant_id: str | None = None, *, audited: bool = True) -> Request:
        return Request(author=SYSTEM.id, action=action, tenant_id=tenant_id, source=SOURCE, audited=audited)


def _visible(reader: Reader) -> Reader:
    return VisibleView(reader, SYSTEM)
