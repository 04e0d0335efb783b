"""The lifecycle of a process: alone, or as one of several that share a store and tell each other by NATS.

The server and `edgeatlas worker` begin here, so both run the same. Nothing waits for NATS: a process starts without it and
goes on without it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import structlog

from access.sealed_secrets import open_secret
from access.sealing import SealBroken, Sealer
from drivers.clock import Clock, SystemClock
from drivers.packages.blobs import Blobs
from drivers.packages.flaws import Limits
from drivers.packages.folder_blobs import FolderBlobs
from drivers.packages.object_blobs import ObjectBlobs, ObjectStoreProblem
from drivers.port import Permanent, Retryable, Secrets, WorkloadSecrets
from drivers.registry import DriverRegistry
from graph.identifiers import new_ulid
from graph.kinds import Secret
from graph.ledger import Ledger
from graph.store import StoreProblem
from graph.view import get_as
from lifecycle.backlog import Backlog
from lifecycle.doorbell import Doorbell
from lifecycle.leases import Leases
from lifecycle.nats_link import NatsLink
from lifecycle.packages import Packages
from lifecycle.packages_kept import Room
from lifecycle.service import Lifecycle
from lifecycle.settings import LifecycleSettings
from lifecycle.share import Share
from placement.projection import Projection
from server.metrics import Metrics
from server.metrics_wiring import of_backlog, of_connections, of_share, of_work
from server.settings import Settings
from server.settings_values import SettingWrong
from server.workers_here import working_here

log = structlog.get_logger(__name__)
RESTART_PAUSE_S = 1.0
DAY_MS = 86_400_000


def secrets_of(ledger: Ledger, sealer: Sealer) -> Secrets:
    """What gives drivers the values of secrets."""

    async def values(secret_id: str) -> Mapping[str, str]:
        secret = get_as(ledger.view, Secret, secret_id)
        if secret is None:
            raise Permanent(f"the secret {secret_id} is gone")
        try:
            return await open_secret(ledger.store, sealer, secret)
        except SealBroken as problem:
            raise Permanent(f"the secret {secret.name} cannot be opened: {problem}") from None

    return values


def workload_secrets_of(ledger: Ledger, sealer: Sealer) -> WorkloadSecrets:
    """What gives drivers the values of the secrets that a tenant's workloads refer to: that tenant's, and no other's."""

    async def values(secret_id: str, tenant_id: str) -> Mapping[str, str]:
        secret = get_as(ledger.view, Secret, secret_id)
        if secret is None or secret.tenant_id != tenant_id:
            raise Permanent(f"its tenant has no secret {secret_id}")
        try:
            return await open_secret(ledger.store, sealer, secret)
        except SealBroken as problem:
            raise Permanent(f"the secret {secret.name} cannot be opened: {problem}") from None
        except StoreProblem:
            raise Retryable(f"the secret {secret.name} cannot be read now: the store is away") from None

    return values


def packages_of(settings: Settings, ledger: Ledger, sealer: Sealer) -> Packages:
    """The packages, kept where the settings say. Raises SettingWrong."""
    return Packages(
        ledger,
        blobs_of(settings),
        sealer,
        room=Room(package_bytes=settings.max_package_bytes, tenant_bytes=settings.package_quota_bytes),
        scratch=settings.data_dir / "uploads",
        limits=Limits(packed_bytes=settings.max_package_bytes),
    )


def blobs_of(settings: Settings) -> Blobs:
    """Where the bytes of packages are kept. Raises SettingWrong."""
    place = settings.package_store.removeprefix("file://")
    if "://" not in place:
        return FolderBlobs(Path(place).expanduser() if place else settings.data_dir / "packages")
    try:
        return ObjectBlobs.at(place)
    except ObjectStoreProblem as problem:
        raise SettingWrong(
            "package_store", problem=f"is {place!r}: {problem}", remedy="Name a folder, or s3://bucket/prefix."
        ) from None


@contextlib.asynccontextmanager
async def working(
    settings: Settings,
    ledger: Ledger,
    *,
    drivers: DriverRegistry,
    sealer: Sealer,
    projection: Projection,
    metrics: Metrics,
    works: bool = True,
) -> AsyncIterator[Lifecycle]:
    """The lifecycle until the context ends; its workers run when `works`.

    At the end what is not begun is given to the others at once, and calls under way have the grace of a stop to end.
    """
    clock, servers = SystemClock(), settings.nats_servers()
    worker = new_ulid()
    share = Share(worker, partitions=frozenset()) if servers else Share(worker if ledger.store.shared else "")
    packages = packages_of(settings, ledger, sealer)
    packages.clean()
    lifecycle = Lifecycle(
        ledger,
        drivers,
        settings=LifecycleSettings(
            concurrency=settings.worker_concurrency,
            calls_per_s=settings.calls_per_second,
            mass_loss_share=settings.mass_loss_share,
            mass_loss_region_share=settings.mass_loss_region_share,
            scaling_every_s=settings.scaling_every_s,
            package_retention_ms=int(settings.package_retention_days * DAY_MS),
        ),
        clock=clock,
        secrets=secrets_of(ledger, sealer),
        workload_secrets=workload_secrets_of(ledger, sealer),
        data_folder=settings.data_dir,
        projection=projection,
        share=share,
        reports=of_work(metrics),
        packages=packages,
        metrics_endpoints=settings.metrics_servers(),
    )
    of_share(metrics, share)
    of_connections(metrics, lifecycle.connections)
    backlog = Backlog(ledger.view)
    of_backlog(metrics, backlog, ledger)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(ledger.view.follow(backlog))
        if works and ledger.store.shared:
            share.dead = stack.enter_context(working_here(settings.data_dir / "workers", worker))
        if servers:
            leases = await stack.enter_async_context(_leased(settings, servers, ledger, share, clock, works=works))
            if works:
                stack.push_async_callback(leases.end)
        if works:
            await stack.enter_async_context(lifecycle.running())
            stack.push_async_callback(lifecycle.idle, within_s=settings.shutdown_grace_s)
        if servers and works:
            stack.push_async_callback(leases.leave)
        yield lifecycle


@contextlib.asynccontextmanager
async def _leased(
    settings: Settings, servers: list[str], ledger: Ledger, share: Share, clock: Clock, *, works: bool
) -> AsyncIterator[Leases]:
    link = NatsLink(servers, name=f"edgeatlas {share.worker}", clock=clock)
    bell = Doorbell(link, name=settings.nats_name, look=ledger.look, clock=clock)
    leases = Leases(link, share, name=settings.nats_name, replicas=settings.nats_replicas, clock=clock)
    ledger.on_written = bell.ring
    tasks = [asyncio.create_task(_kept(run), name="nats") for run in (link.run, bell.run)]
    if works:
        tasks.append(asyncio.create_task(_kept(leases.run), name="leases"))
    try:
        yield leases
    finally:
        ledger.on_written = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _kept(run: Callable[[], Awaitable[None]]) -> None:
    """Runs something and, should it fail, runs it again."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("nats.failed")
        await asyncio.sleep(RESTART_PAUSE_S)
