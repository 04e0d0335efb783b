"""Packages: kept once, refused when they are not what was announced, collected when nothing refers to them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from access.key_file import Key, KeyRing
from access.sealing import Sealer
from access.viewer import SYSTEM, Viewer, viewer_of
from drivers.clock import SystemClock
from drivers.packages.blobs import Blob, BlobMissing, BlobsUnavailable
from drivers.packages.flaws import PackageRefused
from drivers.packages.folder_blobs import FolderBlobs
from drivers.port import Backend, ClusterAccess, Permanent, Retryable
from drivers.registry import DriverRegistry
from drivers.simulated import SimulatedDriver
from graph.edit import Edit
from graph.identifiers import new_id
from graph.kinds import (
    App,
    AppVersion,
    Artifact,
    ArtifactType,
    Cluster,
    Component,
    Package,
    Role,
    RoleBinding,
    Tenant,
    User,
)
from graph.ledger import Ledger
from graph.refusal import Forbidden, InvalidInput, InvalidState, LimitExceeded, NotFound, Refusal, Unavailable
from graph.request import Request
from graph.stores.sqlite import SqliteStore
from graph.values import Resources
from graph.view import each, get_as
from lifecycle.packages import DigestMismatch, Packages
from lifecycle.packages_kept import FRESH_MS, Room, Upload, collect
from lifecycle.packages_sweep import ORPHANED_MS, PackageSweep
from lifecycle.packages_uploads import LASTS_MS, UploadGone
from lifecycle.plans_sweep import made_at_ms
from lifecycle.service import Lifecycle
from packagekit.archives import chart
from packagekit.uploads import digest_of

KEYS = KeyRing(keys=[Key(id="one", key="A" * 43 + "=", created_at=0)])
ROOM = Room(package_bytes=100_000, tenant_bytes=200_000)
DAY_MS = 86_400_000
SOON_MS = 60_000
"""More than the commits of a test are apart, each of which is a millisecond after the one before at least."""
NEED = Resources(cpu_millicores=100, memory_bytes=1 << 20)


class Clock(SystemClock):
    """The graph's and the sweep's clock."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def now_ms(self) -> int:
        return self.ms


class Shelf:
    """What a test drives: packages over a real store and a real folder."""

    def __init__(self, ledger: Ledger, folder: Path, clock: Clock) -> None:
        self.ledger = ledger
        self.clock = clock
        self.blobs = FolderBlobs(folder / "packages")
        self.packages = Packages(ledger, self.blobs, Sealer(KEYS), room=ROOM, scratch=folder / "scratch")
        self.sweep = PackageSweep(ledger, self.packages, keep_ms=DAY_MS, clock=clock)
        self.tenants: list[str] = []

    async def change(self, function: Callable[[Edit], Any]) -> Any:
        return (await self.ledger.commit(function, Request(author="test", action="test"))).value

    async def ask(self, body: bytes, *, viewer: Viewer = SYSTEM, tenant: int = 0, **given: Any) -> Any:
        wish = {
            "tenant_id": self.tenants[tenant],
            "file_name": "shop.tgz",
            "digest": digest_of(body),
            "size_bytes": len(body),
        }
        request = Request(author=viewer.id, action="requestUpload")
        return await self.packages.request(viewer, Upload(**{**wish, **given}), request)

    async def upload(self, body: bytes, *, sent: bytes | None = None, **given: Any) -> Package:
        offer = await self.ask(body, **given)
        if offer.package is not None:
            return offer.package
        leave = await self.packages.take(offer.token)
        return (await self.packages.receive(leave, pieces(body if sent is None else sent)))[0]

    def kept(self) -> list[Package]:
        return list(each(self.ledger.view, Package))

    async def blobs_kept(self) -> list[Blob]:
        return sorted([one async for one in self.blobs.all()])

    def refer(self, digest: str, *, tenant: int = 0, name: str = "web") -> Callable[[Edit], Component]:
        tenant_id = self.tenants[tenant]

        def make(edit: Edit) -> Component:
            app = edit.create(App, name=name, tenant_id=tenant_id)
            version = edit.create(AppVersion, name="1", app_id=app.id, tenant_id=tenant_id)
            artifact = Artifact(type=ArtifactType.HELM_CHART, reference=f"package:{digest}")
            return edit.create(
                Component, name=name, app_version_id=version.id, tenant_id=tenant_id, artifact=artifact, resources=NEED
            )

        return make


async def pieces(body: bytes, size: int = 1_000) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


def a_chart(number: int = 0) -> bytes:
    return chart(**{f"note{number}": b"%d" % number})


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    clock = Clock()
    ledger = Ledger(SqliteStore(tmp_path / "graph.sqlite"), clock_ms=clock.now_ms)
    async with ledger.running():
        made = Shelf(ledger, tmp_path, clock)
        for name in ("acme", "other"):
            made.tenants.append(await made.change(lambda edit, name=name: edit.create(Tenant, name=name).id))
        yield made


async def a_developer(shelf: Shelf, *, role: Role = Role.DEVELOPER, tenant: int = 0) -> Viewer:
    def make(edit: Edit) -> str:
        user = edit.create(User, name=f"{role.name}{len(edit.ids('User'))}".lower())
        edit.create(RoleBinding, subject_id=user.id, role=role, tenant_id=shelf.tenants[tenant])
        return user.id

    viewer = viewer_of(shelf.ledger.view, await shelf.change(make), at_ms=shelf.clock.ms)
    assert viewer is not None
    return viewer


# Uploads


async def test_an_upload_is_opened_and_kept_under_its_digest(shelf: Shelf) -> None:
    body = a_chart()
    package = await shelf.upload(body)
    assert (package.type, package.contents.name, package.contents.values_schema) == (
        ArtifactType.HELM_CHART,
        "shop",
        True,
    )
    assert package.size_bytes == len(body)
    assert await shelf.blobs_kept() == [Blob(package.digest, package.id)]
    assert b"".join([one async for one in shelf.packages.read(package)]) == body


async def test_the_same_bytes_are_the_same_package_of_a_tenant_and_another_of_another(shelf: Shelf) -> None:
    body = a_chart()
    offers = [await shelf.ask(body) for _ in range(2)]
    leaves = [await shelf.packages.take(one.token) for one in offers]
    results = await asyncio.gather(*(shelf.packages.receive(one, pieces(body)) for one in leaves))
    assert results[0][0].id == results[1][0].id
    assert sorted(new for _, new in results) == [False, True]
    assert len(await shelf.blobs_kept()) == 1
    assert (await shelf.ask(body)).package.id == results[0][0].id, "a third time it is not even sent"
    assert (await shelf.ask(body, tenant=1)).package is None, "what another tenant has is not known"
    other = await shelf.upload(body, tenant=1)
    assert other.id != results[0][0].id
    assert len(await shelf.blobs_kept()) == 2


@pytest.mark.parametrize(
    "change", [lambda body: body[:-1], lambda body: body + b"x", lambda body: b"y" + body[1:], lambda body: b""]
)
async def test_bytes_other_than_announced_are_refused_and_leave_nothing(
    shelf: Shelf, change: Callable[[bytes], bytes]
) -> None:
    body = a_chart()
    with pytest.raises(DigestMismatch):
        await shelf.upload(body, sent=change(body))
    assert (shelf.kept(), await shelf.blobs_kept()) == ([], [])


async def test_what_is_no_package_is_refused_and_leaves_nothing(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(PackageRefused):
        await shelf.upload(os.urandom(5_000))
    assert (shelf.kept(), await shelf.blobs_kept()) == ([], [])
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_a_sender_that_breaks_off_leaves_nothing(shelf: Shelf, tmp_path: Path) -> None:
    body = a_chart()

    async def breaks() -> AsyncIterator[bytes]:
        yield body[:100]
        raise ConnectionError

    leave = await shelf.packages.take((await shelf.ask(body)).token)
    with pytest.raises(ConnectionError):
        await shelf.packages.receive(leave, breaks())
    assert (shelf.kept(), await shelf.blobs_kept()) == ([], [])
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_a_leave_is_taken_once_by_one_of_many(shelf: Shelf) -> None:
    token = (await shelf.ask(a_chart())).token
    takers = [shelf.packages.take(token) for _ in range(20)]
    results = await asyncio.gather(*takers, return_exceptions=True)
    assert sorted(type(one).__name__ for one in results) == ["Leave", *["UploadGone"] * 19]


async def test_a_leave_ends(shelf: Shelf) -> None:
    offers = [await shelf.ask(a_chart(number)) for number in range(2)]
    for one in offers:
        assert shelf.clock.ms < one.expires_at <= shelf.clock.ms + LASTS_MS + SOON_MS
    first, second = offers
    shelf.clock.ms = first.expires_at - 1
    assert await shelf.packages.take(first.token)
    shelf.clock.ms = second.expires_at
    with pytest.raises(UploadGone):
        await shelf.packages.take(second.token)


@pytest.mark.parametrize(
    "forge",
    [
        lambda secret, expires, signature: f"{secret}.{int(expires) + 1}.{signature}",
        lambda secret, expires, signature: f"{'A' * 43}.{expires}.{signature}",
        lambda secret, expires, signature: f"{secret}.{expires}.{signature[:-1]}",
        lambda secret, expires, signature: f"{secret}.{expires}.two.{signature.partition('.')[2]}",
        lambda secret, expires, signature: f"{secret}.{expires}.",
        lambda secret, expires, signature: "",
        lambda secret, expires, signature: f"{secret}.{expires}.one.é",
    ],
)
async def test_a_token_that_was_not_made_here_is_none(shelf: Shelf, forge: Callable[..., str]) -> None:
    secret, expires, signature = (await shelf.ask(a_chart())).token.split(".", 2)
    with pytest.raises(UploadGone):
        await shelf.packages.take(forge(secret, expires, signature))
    assert await shelf.packages.take(f"{secret}.{expires}.{signature}")


@pytest.mark.parametrize(
    ("given", "problem", "path"),
    [
        ({"digest": "sha256:12"}, InvalidInput, "input.digest"),
        ({"file_name": "../x"}, InvalidInput, "input.fileName"),
        ({"file_name": ""}, InvalidInput, "input.fileName"),
        ({"size_bytes": 0}, InvalidInput, "input.sizeBytes"),
        ({"size_bytes": ROOM.package_bytes + 1}, LimitExceeded, "input.sizeBytes"),
        ({"tenant_id": "tenant_01JABCDEFGHJKMNPQRSTVWXYZ0"}, NotFound, "input.tenantId"),
    ],
)
async def test_leave_is_refused_for_what_could_not_be_kept(
    shelf: Shelf, given: dict[str, Any], problem: type[Refusal], path: str
) -> None:
    with pytest.raises(problem) as refused:
        await shelf.ask(a_chart(), **given)
    assert refused.value.path == path


async def test_an_empty_file_is_told_to_be_empty(shelf: Shelf) -> None:
    with pytest.raises(InvalidInput) as refused:
        await shelf.ask(a_chart(), size_bytes=0)
    assert (refused.value.message, refused.value.remedy) == ("the file is empty", "give a file with a package in it")


async def test_who_may_not_write_there_gets_no_leave(shelf: Shelf) -> None:
    with pytest.raises(Forbidden):
        await shelf.ask(a_chart(), viewer=await a_developer(shelf, role=Role.VIEWER))
    with pytest.raises(NotFound):
        await shelf.ask(a_chart(), viewer=await a_developer(shelf, tenant=1))
    assert (await shelf.ask(a_chart(), viewer=await a_developer(shelf))).token is not None


async def test_a_right_that_ends_before_the_bytes_came_does_not_count(shelf: Shelf) -> None:
    viewer, body = await a_developer(shelf), a_chart()
    leave = await shelf.packages.take((await shelf.ask(body, viewer=viewer)).token)
    await shelf.change(
        lambda edit: [edit.delete(one) for one in list(each(edit, RoleBinding, "subject_id", viewer.id))]
    )
    with pytest.raises((Forbidden, NotFound)):
        await shelf.packages.receive(leave, pieces(body))
    assert (shelf.kept(), await shelf.blobs_kept()) == ([], [])


async def test_a_tenants_room_is_its_own_and_is_decided_at_head(shelf: Shelf) -> None:
    rng = random.Random(3)
    bodies = [chart(noise=rng.randbytes(70_000)) for _ in range(4)]
    leaves = [await shelf.packages.take((await shelf.ask(one)).token) for one in bodies]
    results = await asyncio.gather(
        *(shelf.packages.receive(leave, pieces(body)) for leave, body in zip(leaves, bodies, strict=True)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in results) == ["LimitExceeded", "LimitExceeded", "tuple", "tuple"]
    assert len(await shelf.blobs_kept()) == 2
    with pytest.raises(LimitExceeded):
        await shelf.ask(bodies[0] + b"x")
    await shelf.upload(bodies[0], tenant=1)


async def test_a_package_whose_bytes_took_too_long_to_keep_is_refused(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = shelf.blobs.put

    async def slowly(blob: Blob, file: Any) -> None:
        await put(blob, file)
        shelf.clock.ms = max(shelf.clock.ms, made_at_ms(blob.package_id)) + FRESH_MS + SOON_MS

    monkeypatch.setattr(shelf.blobs, "put", slowly)
    with pytest.raises(InvalidState):
        await shelf.upload(a_chart())
    assert await shelf.blobs_kept() == []


async def test_a_store_that_does_not_answer_is_told(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(blob: Blob, file: Any) -> None:
        raise BlobsUnavailable("the folder of packages: no space")

    with monkeypatch.context() as broken:
        broken.setattr(shelf.blobs, "put", away)
        with pytest.raises(Unavailable, match="no space"):
            await shelf.upload(a_chart())
    assert shelf.kept() == []


# What a driver reads


async def test_a_driver_gets_the_bytes_by_reference_and_tenant(shelf: Shelf, tmp_path: Path) -> None:
    body = a_chart()
    package = await shelf.upload(body)
    reference = f"package:{package.digest}"
    async with shelf.packages.file(reference, tenant_id=shelf.tenants[0]) as file:
        assert file.read() == body
        assert list((tmp_path / "scratch").iterdir()) == []
    with pytest.raises(Permanent):
        async with shelf.packages.file(reference, tenant_id=shelf.tenants[1]):
            pass
    with pytest.raises(Permanent):
        async with shelf.packages.file("registry.example/x:1", tenant_id=shelf.tenants[0]):
            pass


async def test_bytes_that_were_changed_are_not_given(shelf: Shelf) -> None:
    body = a_chart()
    package = await shelf.upload(body)
    place = shelf.blobs.folder / Blob(package.digest, package.id).path
    place.write_bytes(b"z" + body[1:])
    given: list[bytes] = []
    with pytest.raises(BlobMissing):
        given += [piece async for piece in shelf.packages.read(package)]
    assert given == []
    with pytest.raises(Permanent):
        async with shelf.packages.file(f"package:{package.digest}", tenant_id=shelf.tenants[0]):
            pass


async def test_a_store_that_is_away_is_a_reason_to_try_again(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    package = await shelf.upload(a_chart())

    async def away(blob: Blob) -> AsyncIterator[bytes]:
        raise BlobsUnavailable("away")
        yield b""

    monkeypatch.setattr(shelf.blobs, "read", away)
    with pytest.raises(Retryable):
        async with shelf.packages.file(f"package:{package.digest}", tenant_id=shelf.tenants[0]):
            pass


async def test_a_driver_is_handed_the_packages_with_its_cluster(shelf: Shelf) -> None:
    read: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    body = a_chart()
    package = await shelf.upload(body)

    class Reads(SimulatedDriver):
        """Reads a package before it connects."""

        @contextlib.asynccontextmanager
        async def connect(self, access: ClusterAccess) -> AsyncIterator[Backend]:
            async with access.packages.file(f"package:{package.digest}", tenant_id=package.tenant_id) as file:
                read.set_result(file.read())
            async with super().connect(access) as backend:
                yield backend

    await shelf.change(lambda edit: edit.create(Cluster, name="c", driver="simulated", site_ids=[]))
    lifecycle = Lifecycle(shelf.ledger, DriverRegistry.of(Reads()), packages=shelf.packages)
    async with lifecycle.running():
        assert await read == body


async def test_without_packages_a_driver_is_told_so() -> None:
    access = ClusterAccess(id="c", name="c", endpoint=None, configuration={}, clock=SystemClock())
    with pytest.raises(Permanent):
        access.packages.file(f"package:{digest_of(b'x')}", tenant_id="tenant_1")


# Collection


async def test_a_package_that_nothing_refers_to_goes_when_it_is_old(shelf: Shelf) -> None:
    await shelf.upload(a_chart())
    assert await shelf.sweep.once() == 0
    shelf.clock.ms += DAY_MS - SOON_MS
    assert await shelf.sweep.once() == 0
    shelf.clock.ms += 2 * SOON_MS
    assert await shelf.sweep.once() == 1
    assert (shelf.kept(), await shelf.blobs_kept()) == ([], [])


async def test_a_package_that_is_referred_to_stays_and_goes_long_after_the_last_reference(shelf: Shelf) -> None:
    package = await shelf.upload(a_chart())
    web = await shelf.change(shelf.refer(package.digest))
    shelf.clock.ms += 100 * DAY_MS
    assert await shelf.sweep.once() == 0
    assert get_as(shelf.ledger.view, Package, package.id).unused_since is None  # type: ignore[union-attr]  # it is there
    await shelf.change(lambda edit: edit.delete(web))
    assert await shelf.sweep.once() == 0
    shelf.clock.ms += DAY_MS - SOON_MS
    assert await shelf.sweep.once() == 0
    shelf.clock.ms += 2 * SOON_MS
    assert await shelf.sweep.once() == 1
    assert await shelf.blobs_kept() == []


async def test_asking_for_the_same_bytes_again_keeps_them_for_as_long_again(shelf: Shelf) -> None:
    package = await shelf.upload(a_chart())
    shelf.clock.ms += DAY_MS - SOON_MS
    assert (await shelf.upload(a_chart())).id == package.id
    shelf.clock.ms += DAY_MS - SOON_MS
    assert await shelf.sweep.once() == 0
    assert [one.id for one in shelf.kept()] == [package.id]


@pytest.mark.parametrize("seed", range(20))
async def test_of_a_removal_and_a_new_reference_one_finds_what_the_other_did(shelf: Shelf, seed: int) -> None:
    package = await shelf.upload(a_chart())
    shelf.clock.ms += 2 * DAY_MS
    rng = random.Random(seed)
    made = [
        shelf.change(lambda edit: collect(edit, keep_ms=DAY_MS)),
        *(shelf.change(shelf.refer(package.digest, name=f"web{number}")) for number in range(3)),
    ]
    rng.shuffle(made)
    results = await asyncio.gather(*made, return_exceptions=True)
    components = [one for one in results if isinstance(one, Component)]
    there = get_as(shelf.ledger.view, Package, package.id)
    assert (there is None) == (not components), results
    assert all(one.package_id == package.id for one in components)
    assert all(isinstance(one, Component | list | NotFound) for one in results), results


async def test_a_package_that_went_can_be_uploaded_again_while_its_blob_is_removed(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep that stops for any time between its commit and the removal of bytes takes nothing that came since."""
    first = await shelf.upload(a_chart())
    shelf.clock.ms += DAY_MS + SOON_MS
    forget, again = shelf.packages.forget, []

    async def stopped(blob: Blob) -> None:
        if not again:
            again.append(await shelf.upload(a_chart()))
        await forget(blob)

    with monkeypatch.context() as slow:
        slow.setattr(shelf.packages, "forget", stopped)
        assert await shelf.sweep.once() == 1
    assert again[0].id != first.id
    assert await shelf.blobs_kept() == [Blob(again[0].digest, again[0].id)]
    assert b"".join([one async for one in shelf.packages.read(again[0])]) == a_chart()


async def test_blobs_that_no_package_names_go_after_a_day(shelf: Shelf) -> None:
    package = await shelf.upload(a_chart())
    await shelf.change(shelf.refer(package.digest))
    orphan = Blob(package.digest, new_id("package", at_ms=shelf.clock.ms))
    await shelf.blobs.put(orphan, io.BytesIO(a_chart()))
    assert await shelf.sweep.once() == 0
    assert orphan in await shelf.blobs_kept()
    shelf.clock.ms = made_at_ms(orphan.package_id) + ORPHANED_MS
    assert await shelf.sweep.once() == 0
    shelf.clock.ms += SOON_MS
    assert await shelf.sweep.once() == 1
    assert await shelf.blobs_kept() == [Blob(package.digest, package.id)]


async def test_bytes_that_could_not_be_removed_are_found_later(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    await shelf.upload(a_chart())
    shelf.clock.ms = made_at_ms(shelf.kept()[0].id) + 2 * DAY_MS

    async def away(blob: Blob) -> None:
        raise BlobsUnavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(shelf.blobs, "delete", away)
        with pytest.raises(BlobsUnavailable):
            await shelf.sweep.once()
    assert shelf.kept() == []
    assert len(await shelf.blobs_kept()) == 1
    assert await shelf.sweep.once() == 1
    assert await shelf.blobs_kept() == []


async def test_many_are_collected_over_several_commits(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifecycle.packages_kept.COLLECTED_A_COMMIT", 3)
    for number in range(8):
        await shelf.upload(a_chart(number))
    shelf.clock.ms += DAY_MS + SOON_MS
    assert await shelf.sweep.once() == 8
    assert (shelf.kept(), await shelf.blobs_kept()) == ([], [])
