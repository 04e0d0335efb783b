"""The key file: the keys that everything secret at rest is encrypted under, kept apart from what they encrypt.

Whoever has a copy of the data folder, of a backup or of the database has nothing without this file; so it lies outside the
data folder, is readable by its owner alone, and the server refuses to start otherwise. It holds several keys: the newest
encrypts, all decrypt, so that a key can be replaced while secrets that were sealed under the older one still open.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import os
import secrets
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from access.viewer import now_ms

KEY_BYTES = 32
MAX_FILE_BYTES = 64 * 1024


class KeyFileProblem(Exception):
    """The key file cannot be used; the text says why and what to do."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(f"{message}: {remedy}")
        self.message = message
        self.remedy = remedy


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key-encryption key."""

    id: str
    key: str
    """32 bytes in base64."""
    created_at: int

    def raw(self) -> bytes:
        """The key's 32 bytes. Raises ValueError when it has not so many."""
        try:
            found = base64.b64decode(self.key, validate=True)
        except binascii.Error:
            raise ValueError("it is not base64") from None
        if len(found) != KEY_BYTES:
            raise ValueError(f"it has {len(found)} bytes, not {KEY_BYTES}")
        return found

    def __repr__(self) -> str:
        """Without the key."""
        return f"Key(id={self.id!r}, created_at={self.created_at})"


class KeyRing(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a key file, oldest first; the last one encrypts."""

    keys: list[Key]

    @property
    def current(self) -> Key:
        """The key that encrypts."""
        return self.keys[-1]


def load_key_file(path: Path, *, data_dir: Path, create: bool = True, clock_ms: Callable[[], int] = now_ms) -> KeyRing:
    """The keys of the file at `path`, which is made with one new key when it does not exist.

    Raises KeyFileProblem when the file lies in the data folder, is no plain file, belongs to another user, can be read by
    others, or does not hold keys. Blocking; for the start of a server.
    """
    try:
        _check_place(path, data_dir)
        if create and not path.exists() and not path.is_symlink():
            _make(path, clock_ms())
    except (OSError, RuntimeError) as problem:  # RuntimeError: links that go round
        why = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise KeyFileProblem(
            f"the key file {path} cannot be made ({why})",
            remedy="make its folder one that this user may write in, with room, or name another place: --key-file",
        ) from None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise KeyFileProblem(
            f"there is no key file {path}", remedy="restore it from where you keep it: secrets do not open without it"
        ) from None
    except OSError as problem:
        raise KeyFileProblem(
            f"the key file {path} cannot be opened ({problem.strerror})",
            remedy="it must be a plain file, no link, that this user may read",
        ) from None
    try:
        _check_mode(path, os.fstat(descriptor))
        body = os.read(descriptor, MAX_FILE_BYTES + 1)
    finally:
        os.close(descriptor)
    return _parsed(path, body)


def add_key(path: Path, *, data_dir: Path, clock_ms: Callable[[], int] = now_ms) -> KeyRing:
    """Adds a new key to the file, which encrypts from the next start on; the older ones go on decrypting.

    Raises KeyFileProblem. The file is replaced in one step, so a crash leaves the old one or the new one.
    """
    ring = load_key_file(path, data_dir=data_dir, create=False)
    return _replace(path, KeyRing(keys=[*ring.keys, _new_key(clock_ms())]))


def drop_old_keys(path: Path, *, data_dir: Path) -> KeyRing:
    """Removes all keys but the newest, once every secret was sealed anew under it (`sealed_secrets.start_sealing`).

    What the file held before is left beside it (`key.before-…`, as private), for backups of the data from before need it.
    """
    ring = load_key_file(path, data_dir=data_dir, create=False)
    if len(ring.keys) == 1:
        return ring
    before = path.with_name(f"{path.name}.before-{ring.current.id}")
    _written(path, ring).replace(before)
    return _replace(path, KeyRing(keys=[ring.current]))


def _check_place(path: Path, data_dir: Path) -> None:
    place, data = path.resolve(), data_dir.resolve()
    if place == data or data in place.parents:
        raise KeyFileProblem(
            f"the key file {path} lies in the data folder {data_dir}",
            remedy="move it elsewhere and set key_file: a copy of the data folder must not hold its key",
        )


def _check_mode(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileProblem(f"the key file {path} is no plain file", remedy="put a plain file there")
    if status.st_uid not in (os.geteuid(), 0):
        raise KeyFileProblem(
            f"the key file {path} belongs to another user ({status.st_uid})", remedy="make this user its owner"
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise KeyFileProblem(
            f"the key file {path} can be used by others (mode {stat.S_IMODE(status.st_mode):04o})",
            remedy=f"run chmod 600 {path}, and replace its key if others may have read it",
        )


def _parsed(path: Path, body: bytes) -> KeyRing:
    wrong = f"the key file {path} does not hold keys"
    remedy = "restore it from where you keep it: secrets do not open without it"
    try:
        ring = msgspec.json.decode(body, type=KeyRing)
        for key in ring.keys:
            key.raw()
    except ValueError:  # of which msgspec's and Unicode's are
        # The reason is left out on purpose: it might quote what the file holds.
        raise KeyFileProblem(wrong, remedy=remedy) from None
    if not ring.keys or len({key.id for key in ring.keys}) != len(ring.keys):
        raise KeyFileProblem(wrong, remedy=remedy)
    return ring


def _new_key(at: int) -> Key:
    return Key(id=secrets.token_hex(8), key=base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(), created_at=at)


def _make(path: Path, at: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = _written(path, KeyRing(keys=[_new_key(at)]))
    try:
        os.link(scratch, path)  # unlike a rename it never replaces a file that another start has just made
    except FileExistsError:
        return
    finally:
        scratch.unlink()
    _sync_folder(path)


def _replace(path: Path, ring: KeyRing) -> KeyRing:
    _written(path, ring).replace(path)
    _sync_folder(path)
    return ring


def _written(path: Path, ring: KeyRing) -> Path:
    """A durable file of mode 0600 beside `path` that holds the ring."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(ring)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return scratch


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def main(arguments: list[str] | None = None) -> int:
    """`python -m access.key_file add|drop-old KEY_FILE --data-dir DIR`: replaces the key, step by step."""
    parser = argparse.ArgumentParser(
        prog="python -m access.key_file", description="Replace the key that seals secrets."
    )
    parser.add_argument("step", choices=["add", "drop-old"], help="add a new key, or drop all keys but the newest")
    parser.add_argument("key_file", type=Path, help="the setting key_file")
    parser.add_argument("--data-dir", type=Path, required=True, help="the setting data_dir")
    given = parser.parse_args(arguments)
    try:
        if given.step == "add":
            ring = add_key(given.key_file, data_dir=given.data_dir)
        else:
            ring = drop_old_keys(given.key_file, data_dir=given.data_dir)
    except (KeyFileProblem, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    sys.stdout.write(f"{given.key_file} has {len(ring.keys)} keys; restart every server process\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
