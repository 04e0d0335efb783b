"""The port of blobs, over every store: a folder, memory by fsspec, and an S3-compatible server over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from drivers.packages.blobs import Blob, BlobMissing, Blobs, BlobsUnavailable, blob_at
from drivers.packages.folder_blobs import UNFINISHED, FolderBlobs
from drivers.packages.object_blobs import ObjectBlobs, ObjectStoreProblem
from graph.identifiers import new_id

STORES = ["folder", "memory", "s3"]
BODY = os.urandom(3 * 2**20 + 17)


def blob_of(body: bytes) -> Blob:
    return Blob(f"sha256:{hashlib.sha256(body).hexdigest()}", new_id("package"))


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URL of an S3-compatible server in this process, with a bucket."""
    moto_server = pytest.importorskip("moto.server", reason="moto is not installed: make test brings it")
    boto3 = pytest.importorskip("boto3")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    given = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": url}
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**given, "AWS_DEFAULT_REGION": "us-east-1"}.items():
            environment.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="packages")
        yield url
    server.stop()


@pytest.fixture(params=STORES)
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "folder":
        return FolderBlobs(tmp_path / "packages")
    if request.param == "s3":
        pytest.importorskip("s3fs", reason="s3fs is not installed: make test brings it")
        request.getfixturevalue("s3")
        return ObjectBlobs.at(f"s3://packages/{tmp_path.name}")
    pytest.importorskip("fsspec", reason="fsspec is not installed: make test brings it")
    return ObjectBlobs.at(f"memory://{tmp_path}")


async def read(blobs: Blobs, blob: Blob) -> bytes:
    return b"".join([piece async for piece in blobs.read(blob)])


async def listed(blobs: Blobs) -> list[Blob]:
    return sorted([one async for one in blobs.all()])


async def test_what_is_put_is_read_as_it_was(blobs: Blobs) -> None:
    blob = blob_of(BODY)
    file = io.BytesIO(BODY)
    file.seek(100)
    await blobs.put(blob, file)
    assert await read(blobs, blob) == BODY
    pieces = [len(piece) async for piece in blobs.read(blob)]
    assert max(pieces) <= 8 * 2**20
    await blobs.put(blob, io.BytesIO(BODY))
    assert await read(blobs, blob) == BODY, "putting it again changes nothing"


async def test_what_is_not_there_is_missing_and_can_be_deleted(blobs: Blobs) -> None:
    blob = blob_of(b"never put")
    with pytest.raises(BlobMissing):
        await read(blobs, blob)
    await blobs.delete(blob)
    assert await listed(blobs) == []


async def test_two_packages_of_the_same_bytes_have_a_blob_each(blobs: Blobs) -> None:
    one, other = blob_of(b"same"), blob_of(b"same")
    for blob in (one, other):
        await blobs.put(blob, io.BytesIO(b"same"))
    assert await listed(blobs) == sorted([one, other])
    await blobs.delete(one)
    await blobs.delete(one)
    assert await listed(blobs) == [other]
    assert await read(blobs, other) == b"same"
    await blobs.delete(other)
    assert await listed(blobs) == []
    with pytest.raises(BlobMissing):
        await read(blobs, other)


async def test_blobs_come_and_go_at_the_same_time(blobs: Blobs) -> None:
    bodies = [b"%d" % number for number in range(12)]
    kept = [blob_of(body) for body in bodies]
    await asyncio.gather(*(blobs.put(blob, io.BytesIO(body)) for blob, body in zip(kept, bodies, strict=True)))
    assert await listed(blobs) == sorted(kept)
    await asyncio.gather(*(blobs.delete(blob) for blob in kept[::2]))
    assert await listed(blobs) == sorted(kept[1::2])


async def test_a_read_may_be_left_in_the_middle(blobs: Blobs) -> None:
    blob = blob_of(BODY)
    await blobs.put(blob, io.BytesIO(BODY))
    async with contextlib.aclosing(_as_generator(blobs.read(blob))) as pieces:
        assert BODY.startswith(await anext(pieces))
    await blobs.delete(blob)
    assert await blobs.clean(before_ms=2**50) == 0


async def _as_generator(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield piece


@pytest.mark.parametrize(
    "blob",
    [
        Blob("sha256:" + "a" * 63, new_id("package")),
        Blob("sha256:../../" + "a" * 58, new_id("package")),
        Blob("md5:" + "a" * 64, new_id("package")),
        Blob("sha256:" + "a" * 64, "../../x"),
        Blob("sha256:" + "A" * 64, new_id("package")),
        Blob("sha256:" + "a" * 64, new_id("app")),
    ],
)
async def test_a_name_that_is_none_of_a_blob_leads_nowhere(blobs: Blobs, blob: Blob) -> None:
    with pytest.raises(ValueError, match="digest"):
        await blobs.put(blob, io.BytesIO(b"x"))
    assert await listed(blobs) == []


def test_the_path_of_a_blob_says_which_it_is() -> None:
    blob = blob_of(b"x")
    assert blob_at(blob.path) == blob
    assert blob_at(f"/{blob.path}") is None
    assert blob_at(blob.path.replace("sha256/", "sha256/00/", 1)) is None


# The folder


async def test_strange_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    blob = blob_of(b"x")
    await blobs.put(blob, io.BytesIO(b"x"))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / blob.path).with_name("mine").write_text("mine")
    assert await listed(blobs) == [blob]
    await blobs.delete(blob)
    assert (tmp_path / blob.path).with_name("mine").exists()


async def test_a_killed_writer_leaves_what_is_cleaned_when_it_is_old(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    left = tmp_path / f"{UNFINISHED}01J"
    left.write_bytes(b"half")
    written_ms = left.stat().st_mtime_ns // 1_000_000
    assert await listed(blobs) == []
    assert await blobs.clean(before_ms=written_ms) == 0
    assert await blobs.clean(before_ms=written_ms + 1) == 1
    assert not left.exists()


async def test_a_full_disk_leaves_nothing_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = FolderBlobs(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(BlobsUnavailable, match="No space left"):
            await blobs.put(blob_of(b"x"), io.BytesIO(b"x"))
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == []


async def test_a_link_in_the_place_of_a_blob_is_not_followed(tmp_path: Path) -> None:
    blobs, blob = FolderBlobs(tmp_path / "packages"), blob_of(b"x")
    await blobs.put(blob, io.BytesIO(b"x"))
    place = tmp_path / "packages" / blob.path
    place.unlink()
    (tmp_path / "secret").write_bytes(b"secret")
    place.symlink_to(tmp_path / "secret")
    with pytest.raises((BlobsUnavailable, BlobMissing)):
        await read(blobs, blob)


# Object stores


async def test_a_server_that_is_not_there_is_told_as_unavailable(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    blobs = ObjectBlobs.at("s3://no-such-bucket/x")
    with pytest.raises(BlobsUnavailable):
        await blobs.put(blob_of(b"x"), io.BytesIO(b"x"))


def test_a_url_of_no_known_store_is_told_with_what_to_install() -> None:
    with pytest.raises(ObjectStoreProblem, match=r"edgeatlas\[s3\]"):
        ObjectBlobs.at("nosuch://bucket")
