"""Tar archives, plain or gzip'd, read as they stream by.

The library's own reader is not used. It keeps whatever length a header of names claims, follows sizes below zero, and gives
meaning to sparse files, links and devices; every one of these has been a hole. What is needed is little: plain files and
folders of ustar (POSIX.1-1988), long names of pax (POSIX.1-2001) and of GNU. All else is refused by its type.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from drivers.packages.flaws import Flaw, Meter, PackageRefused
from drivers.packages.members import PIECE_BYTES, Member
from drivers.packages.names import Names

GZIP = b"\x1f\x8b"
BLOCK = 512
MAX_GZIP_MEMBERS = 64
"""A gzip file may be several behind each other, as parallel packers write; few are."""
MAX_EXTRA_BYTES = 64 * 1024
"""Of a header that only holds names."""
_EMPTY = bytes(BLOCK)
_FILE, _FOLDER, _LINKS = (b"0", b"\0", b"7"), b"5", (b"1", b"2")
_PAX, _PAX_GLOBAL, _GNU_NAME = b"x", b"g", b"L"


def tar_members(file: BinaryIO, meter: Meter) -> Iterator[Member]:
    """The files of a tar archive from the beginning of `file`. Raises PackageRefused as it goes."""
    begin = file.read(len(GZIP))
    file.seek(0)
    return _Tar(_gunzipped(file, meter) if begin == GZIP else _counted(file, meter), meter).members()


def is_tar_header(block: bytes) -> bool:
    """Whether a block of 512 bytes is the header of a tar member, by its checksum."""
    return len(block) == BLOCK and block != _EMPTY and _number(block[148:156]) in _checksums(block)


def begins_as_tar(file: BinaryIO) -> bool:
    """Whether a file is a tar archive, plain or gzip'd, by its first header; it is read from its beginning again after."""
    begin = file.read(64 * 1024)
    file.seek(0)
    if begin.startswith(GZIP):
        try:
            begin = zlib.decompressobj(wbits=31).decompress(begin, BLOCK)
        except zlib.error:
            return False
    return is_tar_header(begin[:BLOCK])


def _counted(file: BinaryIO, meter: Meter) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        meter.out(len(piece))
        yield piece


def _gunzipped(file: BinaryIO, meter: Meter) -> Iterator[bytes]:
    """The stream within gzip, in small pieces however much it expands. Raises PackageRefused."""
    unpacker, rest, members = zlib.decompressobj(wbits=31), b"", 1
    while True:
        packed = rest or file.read(PIECE_BYTES)
        if not packed and unpacker.eof:
            return
        if unpacker.eof:
            members += 1
            if members > MAX_GZIP_MEMBERS:
                raise PackageRefused(Flaw.DAMAGED, f"it is more than {MAX_GZIP_MEMBERS} gzip files in one")
            unpacker = zlib.decompressobj(wbits=31)
        try:
            piece = unpacker.decompress(packed, PIECE_BYTES)
        except zlib.error:
            raise PackageRefused(Flaw.DAMAGED, "the compressed bytes cannot be read") from None
        rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        if piece:
            meter.out(len(piece))
            yield piece
        elif not packed and not unpacker.eof:
            raise PackageRefused(Flaw.DAMAGED, "the archive is cut short")


class _Tar:
    def __init__(self, stream: Iterator[bytes], meter: Meter) -> None:
        self._stream = stream
        self._meter = meter
        self._names = Names(meter.limits.files)
        self._held = b""

    def members(self) -> Iterator[Member]:
        long_name: bytes | None = None
        while True:
            header = self._read(BLOCK)
            if not header or header == _EMPTY:
                self._check_end()
                return
            if not is_tar_header(header):
                raise PackageRefused(Flaw.DAMAGED, "a header of the archive is no header")
            kind, size = header[156:157], _number(header[124:136])
            name = long_name if long_name is not None else _name(header)
            shown = name.decode("utf-8", "replace")
            if size is None:
                raise PackageRefused(Flaw.DAMAGED, "its size is no number", member=shown)
            if kind in (_PAX, _PAX_GLOBAL, _GNU_NAME):
                if long_name is not None and kind == _GNU_NAME:
                    raise PackageRefused(Flaw.DAMAGED, "it has two long names", member=shown)
                found = self._extra(kind, size, shown)
                long_name = found if found is not None else long_name
                continue
            long_name = None
            self._meter.member(shown)
            if kind in _LINKS:
                raise PackageRefused(Flaw.LINK, "it is a link", member=shown)
            folder = kind == _FOLDER or (kind in _FILE and name.endswith(b"/"))
            if not folder and kind not in _FILE:
                raise PackageRefused(Flaw.NO_PLAIN_FILE, "it is neither a plain file nor a folder", member=shown)
            plain = self._names.take(name, folder=folder)
            pieces = self._pieces(size, plain)
            if not folder:
                yield Member(plain, pieces)
            for _ in pieces:  # what the caller left
                pass
            self._skip_padding(size)

    def _extra(self, kind: bytes, size: int, shown: str) -> bytes | None:
        """The next member's name, if a header of names says one. A size is refused there: it would differ from its own."""
        if size > MAX_EXTRA_BYTES:
            raise PackageRefused(
                Flaw.BAD_NAME, f"a header of names has more than {MAX_EXTRA_BYTES} bytes", member=shown
            )
        self._meter.member(shown)  # each costs as much as a file
        body = self._exactly(size, shown)
        self._skip_padding(size)
        if kind == _GNU_NAME:
            return body.partition(b"\0")[0]
        records = _pax_records(body, shown)
        for key in records:
            if key in (b"size", b"linkpath") or key.startswith(b"GNU.sparse"):
                raise PackageRefused(
                    Flaw.NO_PLAIN_FILE, "its pax header makes it other than a plain file", member=shown
                )
        if kind == _PAX_GLOBAL and b"path" in records:
            raise PackageRefused(Flaw.BAD_NAME, "one name is given for all files", member=shown)
        return records.get(b"path")

    def _pieces(self, size: int, name: str) -> Iterator[bytes]:
        left = size
        while left:
            piece = self._read(min(left, PIECE_BYTES))
            if not piece:
                raise PackageRefused(Flaw.DAMAGED, "the archive is cut short within it", member=name)
            left -= len(piece)
            yield piece

    def _exactly(self, size: int, name: str) -> bytes:
        return b"".join(self._pieces(size, name))

    def _skip_padding(self, size: int) -> None:
        padding = -size % BLOCK
        if padding and len(self._read(padding)) != padding:
            raise PackageRefused(Flaw.DAMAGED, "the archive is cut short")

    def _check_end(self) -> None:
        """Behind the end there is nothing but zeros: some readers would go on and see other files than these."""
        while piece := self._read(PIECE_BYTES):
            if piece.strip(b"\0"):
                raise PackageRefused(Flaw.DAMAGED, "something follows the end of the archive")

    def _read(self, size: int) -> bytes:
        """So many bytes, or as many as are left."""
        parts, have = [self._held] if self._held else [], len(self._held)
        while have < size:
            piece = next(self._stream, b"")
            if not piece:
                break
            parts.append(piece)
            have += len(piece)
        whole = parts[0] if len(parts) == 1 else b"".join(parts)
        self._held = whole[size:]
        return whole[:size]


def _name(header: bytes) -> bytes:
    name = header[0:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _number(field: bytes) -> int | None:
    """An octal number of a header, or None when it is none; the binary form is for files larger than any taken here."""
    text = field.strip(b" \0")
    return int(text, 8) if text and all(48 <= one < 56 for one in text) else (0 if not text else None)


def _checksums(block: bytes) -> tuple[int, int]:
    """The sum of a header's bytes with its own field as spaces: by unsigned bytes, and signed as old writers did."""
    rest = block[:148] + block[156:]
    unsigned = sum(rest) + 8 * 32
    return unsigned, unsigned - 256 * sum(one > 127 for one in rest)


def _pax_records(body: bytes, shown: str) -> dict[bytes, bytes]:
    """`LENGTH KEY=VALUE` lines, each of which counts itself (POSIX pax, Extended Header)."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(body):
        space = body.find(b" ", at, at + 8)
        digits = body[at:space] if space > at else b""
        length = int(digits) if digits.isdigit() else 0
        record = body[space + 1 : at + length]
        key, equals, value = record.partition(b"=")
        if length <= space + 1 - at or at + length > len(body) or not equals or not value.endswith(b"\n"):
            raise PackageRefused(Flaw.DAMAGED, "its pax header cannot be read", member=shown)
        found[key] = value[:-1]
        at += length
    return found
