"""Zip archives (PKWARE APPNOTE 6.3), read by their directory and held to it.

The library's own reader makes an object of each entry that a directory claims, before anything can be counted, and reads
entries that share bytes or whose two headers differ. Here the directory is bounded first; every entry must begin where the
one before it ends or later, and say at its own header what the directory says of it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from drivers.packages.flaws import Flaw, Limits, Meter, PackageRefused
from drivers.packages.members import PIECE_BYTES, Member
from drivers.packages.names import MAX_NAME_BYTES, Names

ZIP = b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"
_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END_SIGN, _ENTRY_SIGN, _LOCAL_SIGN = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"
MAX_COMMENT_BYTES = 65_535
MAX_EXTRA_BYTES = 1_024
"""Of an entry's name, comment and extra fields together, on average."""
_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13
_UTF8 = 1 << 11
_STORED, _DEFLATED = 0, 8
_LARGE, _MANY = 0xFFFF_FFFF, 0xFFFF
_UNIX, _MACOS = 3, 19
_TYPE, _PLAIN, _FOLDER, _LINK = 0o170000, 0o100000, 0o040000, 0o120000


class _Entry(NamedTuple):
    raw: bytes
    shown: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    unix_type: int


def zip_members(file: BinaryIO, meter: Meter, limits: Limits) -> Iterator[Member]:
    """The files of a zip archive. Raises PackageRefused as it goes; its directory is checked before the first."""
    entries, directory_at = _directory(file, limits)
    names, listed = Names(limits.files), []
    for entry in entries:
        meter.member(entry.shown)
        _check(entry)
        folder = entry.raw.endswith(b"/")
        if (entry.unix_type == _FOLDER) and not folder:
            raise PackageRefused(Flaw.DAMAGED, "it is a folder by its mode and a file by its name", member=entry.shown)
        if folder and (entry.size or entry.packed > 2):
            raise PackageRefused(Flaw.DAMAGED, "it is a folder with bytes", member=entry.shown)
        listed.append((names.take(_text(entry), folder=folder), folder, entry))
    return _read(file, meter, sorted(listed, key=lambda one: one[2].offset), directory_at)


def _read(file: BinaryIO, meter: Meter, listed: list[tuple[str, bool, _Entry]], directory_at: int) -> Iterator[Member]:
    free_from = 0
    for name, folder, entry in listed:
        if entry.offset < free_from:
            raise PackageRefused(Flaw.DAMAGED, "it shares bytes with another", member=name)
        begin = _begin(file, entry, name)
        free_from = begin + entry.packed
        if free_from > directory_at:
            raise PackageRefused(Flaw.DAMAGED, "it reaches into the directory", member=name)
        if not folder:
            pieces = _pieces(file, begin, entry, name, meter)
            yield Member(name, pieces)
            for _ in pieces:  # what the caller left
                pass


def _directory(file: BinaryIO, limits: Limits) -> tuple[list[_Entry], int]:
    """The entries and where the directory begins."""
    size = file.seek(0, 2)
    tail_at = max(0, size - _END.size - MAX_COMMENT_BYTES)
    file.seek(tail_at)
    tail = file.read(_END.size + MAX_COMMENT_BYTES)
    at = tail.rfind(_END_SIGN)
    if at < 0 or len(tail) - at < _END.size:
        raise PackageRefused(Flaw.DAMAGED, "the archive has no end, or is cut short")
    _, disk, first_disk, here, count, length, offset, comment = _END.unpack_from(tail, at)
    end_at = tail_at + at
    if len(tail) - at - _END.size != comment:
        raise PackageRefused(Flaw.DAMAGED, "something follows the end of the archive")
    if _MANY in (count, disk) or _LARGE in (length, offset):
        raise PackageRefused(Flaw.TOO_MANY_FILES, "it is an archive of the form for large ones (zip64)")
    if disk or first_disk or here != count:
        raise PackageRefused(Flaw.DAMAGED, "it is one part of several")
    if count > limits.files:
        raise PackageRefused(Flaw.TOO_MANY_FILES, f"a package has at most {limits.files} files and folders")
    if length > (count + 1) * (_ENTRY.size + MAX_EXTRA_BYTES) or offset + length != end_at:
        raise PackageRefused(Flaw.DAMAGED, "its directory is not where the end says, or too long")
    file.seek(offset)
    return list(_entries(file.read(length), count)), offset


def _entries(directory: bytes, count: int) -> Iterator[_Entry]:
    at = 0
    for _ in range(count):
        if len(directory) - at < _ENTRY.size or directory[at : at + 4] != _ENTRY_SIGN:
            raise PackageRefused(Flaw.DAMAGED, "its directory cannot be read")
        (_, made_by, _, flags, method, _, _, crc, packed, size, name, extra, comment, disk, _, mode, offset) = (
            _ENTRY.unpack_from(directory, at)
        )
        begin = at + _ENTRY.size
        raw = directory[begin : begin + name]
        at = begin + name + extra + comment
        shown = raw.decode("utf-8", "replace")
        if at > len(directory) or disk or _LARGE in (packed, size, offset):
            raise PackageRefused(Flaw.DAMAGED, "its entry cannot be read", member=shown)
        unix_type = mode >> 16 & _TYPE if made_by >> 8 in (_UNIX, _MACOS) else 0
        yield _Entry(raw, shown, flags, method, crc, packed, size, offset, unix_type)
    if at != len(directory):
        raise PackageRefused(Flaw.DAMAGED, "its directory has more than its entries")


def _check(entry: _Entry) -> None:
    if entry.flags & _ENCRYPTED:
        raise PackageRefused(Flaw.ENCRYPTED, "it is encrypted", member=entry.shown)
    if entry.unix_type == _LINK:
        raise PackageRefused(Flaw.LINK, "it is a link", member=entry.shown)
    if entry.unix_type not in (0, _PLAIN, _FOLDER):
        raise PackageRefused(Flaw.NO_PLAIN_FILE, "it is neither a plain file nor a folder", member=entry.shown)
    if entry.method not in (_STORED, _DEFLATED):
        raise PackageRefused(Flaw.UNKNOWN_COMPRESSION, f"it is packed by method {entry.method}", member=entry.shown)
    if len(entry.raw) > MAX_NAME_BYTES or b"\0" in entry.raw:
        raise PackageRefused(Flaw.BAD_NAME, "its name is too long, or has a zero byte", member=entry.shown)


def _text(entry: _Entry) -> bytes | str:
    """The name: UTF-8 where the entry says so, or is written so all the same; else in the format's own code page."""
    if entry.flags & _UTF8 or entry.raw.isascii():
        return entry.raw
    try:
        return entry.raw.decode("utf-8")
    except UnicodeDecodeError:
        return entry.raw.decode("cp437")


def _begin(file: BinaryIO, entry: _Entry, name: str) -> int:
    """Where an entry's bytes begin, behind its own header, which says what the directory does."""
    file.seek(entry.offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(_LOCAL_SIGN):
        raise PackageRefused(Flaw.DAMAGED, "it is not where the directory says", member=name)
    name_length: int
    extra: int
    _, _, flags, method, _, _, _, _, _, name_length, extra = _LOCAL.unpack(header)
    if flags & _ENCRYPTED:
        raise PackageRefused(Flaw.ENCRYPTED, "it is encrypted", member=name)
    if method != entry.method or file.read(name_length) != entry.raw:
        raise PackageRefused(Flaw.DAMAGED, "its own header says other than the directory", member=name)
    return entry.offset + _LOCAL.size + name_length + extra


def _pieces(file: BinaryIO, begin: int, entry: _Entry, name: str, meter: Meter) -> Iterator[bytes]:
    """The bytes of an entry, checked against its size and checksum when all came. Raises PackageRefused."""
    at, left, came, crc = begin, entry.packed, 0, 0
    unpacker = zlib.decompressobj(wbits=-15) if entry.method == _DEFLATED else None
    rest = b""
    while True:
        packed = rest
        if not packed and left:
            file.seek(at)
            packed = file.read(min(left, PIECE_BYTES))
            at, left = at + len(packed), left - len(packed)
        if not packed and (unpacker is None or unpacker.eof):
            break
        if unpacker is None:
            piece, rest = packed, b""
        else:
            try:
                piece = unpacker.decompress(packed, PIECE_BYTES)
            except zlib.error:
                raise PackageRefused(Flaw.DAMAGED, "its compressed bytes cannot be read", member=name) from None
            rest = unpacker.unconsumed_tail
            if unpacker.eof and (left or unpacker.unused_data):
                raise PackageRefused(Flaw.DAMAGED, "it has more bytes than it says", member=name)
        came += len(piece)
        crc = zlib.crc32(piece, crc)
        meter.out(len(piece), name)
        if came > entry.size:
            raise PackageRefused(Flaw.DAMAGED, "it has more bytes than it says", member=name)
        if piece:
            yield piece
        elif not packed:
            break
    if came != entry.size or crc != entry.crc or (unpacker is not None and not unpacker.eof):
        raise PackageRefused(Flaw.DAMAGED, "its bytes are not those that were packed", member=name)
