"""Archives that somebody made to do harm: each is refused for its reason, nothing is written, little is held in memory."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import tarfile
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.packages.flaws import Flaw, Limits, PackageRefused
from drivers.packages.names import MAX_DEPTH
from drivers.packages.opening import open_package
from packagekit.archives import (
    CHART,
    CSAR,
    END,
    MANIFEST,
    chart,
    header,
    padded,
    raw_zip,
    special,
    tar,
    tgz,
    unended,
    zipped,
)

LIMITS = Limits(packed_bytes=2**20, unpacked_bytes=4 * 2**20, ratio=100, free_of_ratio=2**20, files=300)
HELD_BYTES = 24 * 2**20
"""The most that opening a hostile archive may have in memory at a time."""


class Hostile(NamedTuple):
    """An archive, and why it is refused."""

    label: str
    body: bytes
    flaw: Flaw
    member: str | None = None


NAMES: list[tuple[str, Flaw]] = [
    ("/etc/passwd", Flaw.ABSOLUTE_NAME),
    ("//server/share", Flaw.ABSOLUTE_NAME),
    ("\\\\server\\share", Flaw.ABSOLUTE_NAME),
    ("C:/Windows/x", Flaw.ABSOLUTE_NAME),
    ("c:x", Flaw.ABSOLUTE_NAME),
    ("..", Flaw.NAME_LEAVES),
    ("../x", Flaw.NAME_LEAVES),
    ("a/../../x", Flaw.NAME_LEAVES),
    ("a/..", Flaw.NAME_LEAVES),
    ("./../x", Flaw.NAME_LEAVES),
    ("a/../b", Flaw.NAME_LEAVES),
    ("..\\x", Flaw.BAD_NAME),
    ("a\\..\\..\\x", Flaw.BAD_NAME),
    ("a//b", Flaw.BAD_NAME),
    ("a/./b", Flaw.BAD_NAME),
    ("a\nb", Flaw.BAD_NAME),
    ("a\x1b[2Jb", Flaw.BAD_NAME),
    ("a\x7fb", Flaw.BAD_NAME),
    ("a\u202egpj.exe", Flaw.BAD_NAME),
    ("a\u200bb", Flaw.BAD_NAME),
    ("a ", Flaw.BAD_NAME),
    (" a", Flaw.BAD_NAME),
    ("a./b", Flaw.BAD_NAME),
    ("a.", Flaw.BAD_NAME),
    ("x" * 256, Flaw.BAD_NAME),
    ("é" * 128, Flaw.BAD_NAME),
    ("/".join("d" for _ in range(MAX_DEPTH + 1)), Flaw.BAD_NAME),
    ("/".join("e" * 100 for _ in range(11)), Flaw.BAD_NAME),
]
TWINS: list[tuple[str, str, Flaw]] = [
    ("shop/a", "shop/a", Flaw.NAMED_TWICE),
    ("shop/a", "./shop/a", Flaw.NAMED_TWICE),
    ("shop/a", "shop/a/b", Flaw.NAMED_TWICE),
    ("shop/a/b", "shop/a", Flaw.NAMED_TWICE),
    ("shop/readme", "shop/README", Flaw.NAMES_DIFFER_BY_CASE),
    ("shop/a/x", "shop/A/y", Flaw.NAMES_DIFFER_BY_CASE),
    ("shop/\u00e9", "shop/e\u0301", Flaw.NAMES_DIFFER_BY_CASE),
    ("shop/stra\u00dfe", "shop/STRASSE", Flaw.NAMES_DIFFER_BY_CASE),
    ("shop/\ufb01x", "shop/FIX", Flaw.NAMES_DIFFER_BY_CASE),
]
BASE = list(CHART.items())


def by_name() -> Iterator[Hostile]:
    for name, flaw in NAMES:
        for form, label in ((tarfile.PAX_FORMAT, "pax"), (tarfile.GNU_FORMAT, "gnu")):
            yield Hostile(f"{label} {name[:20]!r}", tgz([*BASE, (name, b"x")], form=form), flaw)
        yield Hostile(f"tar folder {name[:20]!r}", tar([*BASE, special(name, tarfile.DIRTYPE)]), flaw)
        raw = {"name": name.encode(), "flags": 1 << 11, "body": b"x"}
        yield Hostile(f"zip {name[:20]!r}", raw_zip([raw]), flaw)
    for one, other, flaw in TWINS:
        yield Hostile(f"tgz {one} {other}", tgz([*BASE, (one, b"1"), (other, b"2")]), flaw)
        entries = [{"name": name.encode(), "flags": 1 << 11, "body": b"x"} for name in (one, other)]
        yield Hostile(f"zip {one} {other}", raw_zip(entries), flaw)
    yield Hostile("tar name of no UTF-8", unended(BASE) + header(b"shop/\xff\xfe") + END, Flaw.BAD_NAME)
    yield Hostile("zip name with a zero", raw_zip([{"name": b"a\0.yaml", "body": MANIFEST}]), Flaw.BAD_NAME)
    yield Hostile("zip without a name", raw_zip([{"name": b"", "body": MANIFEST}]), Flaw.BAD_NAME)
    yield Hostile("tar prefix that leaves", header(b"x", prefix=b"../..") + END, Flaw.NAME_LEAVES)
    yield Hostile("tar prefix that is absolute", header(b"x", prefix=b"/root") + END, Flaw.ABSOLUTE_NAME)


def by_type() -> Iterator[Hostile]:
    for target in ("/etc/passwd", "../../x", "shop/Chart.yaml", ".", ""):
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            body = [*BASE, special("shop/link", kind, link=target)]
            yield Hostile(f"link {kind!r} to {target!r}", tgz(body), Flaw.LINK, "shop/link")
            yield Hostile(
                f"link {kind!r} to {target!r}, then through it", tgz([*body, ("shop/link/x", b"1")]), Flaw.LINK
            )
        link = {"name": b"link", "body": target.encode(), "mode": 0o120777}
        yield Hostile(f"zip link to {target!r}", raw_zip([link]), Flaw.LINK, "link")
        yield Hostile(f"zip link of macOS to {target!r}", raw_zip([link | {"made_by": 19 << 8}]), Flaw.LINK, "link")
    for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"S", b"M", b"V", b"D", b"K", b"Z", b"\xff"):
        yield Hostile(f"tar type {kind!r}", unended(BASE) + header(b"x", kind=kind) + END, Flaw.NO_PLAIN_FILE, "x")
    for mode in (0o020644, 0o060644, 0o010644, 0o140755):
        yield Hostile(f"zip type {mode:o}", raw_zip([{"name": b"x", "mode": mode}]), Flaw.NO_PLAIN_FILE, "x")
    sparse = tarfile.TarInfo("shop/x")
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.realsize": "9" * 12}
    yield Hostile("pax sparse", tgz([sparse]), Flaw.NO_PLAIN_FILE)
    for key in ("size", "linkpath"):
        info = tarfile.TarInfo("shop/x")
        info.pax_headers = {key: "5"}
        yield Hostile(f"pax {key}", tgz([info]), Flaw.NO_PLAIN_FILE)


def by_lie() -> Iterator[Hostile]:
    for bit in (0, 6, 13):
        entry = {"name": b"a.yaml", "body": MANIFEST, "flags": 1 << bit}
        yield Hostile(f"zip encrypted, bit {bit}", raw_zip([entry]), Flaw.ENCRYPTED, "a.yaml")
    for method in (1, 6, 9, 12, 14, 93, 95, 98, 99):
        entry = {"name": b"a", "body": b"x", "method": method}
        yield Hostile(f"zip method {method}", raw_zip([entry]), Flaw.UNKNOWN_COMPRESSION, "a")
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(MANIFEST) + packer.flush()
    lies = {
        "size below": {"size": 3},
        "size above": {"size": 10_000},
        "crc": {"crc": 1},
        "packed below": {"packed": len(packed) - 4},
        "packed above": {"packed_body": packed + b"more", "packed": len(packed) + 4},
        "local name": {"local_name": b"b.yaml"},
        "local name that leaves": {"local_name": b"../../x"},
        "offset": {"offset": 7},
        "offset beyond": {"offset": 10_000},
        "disk": {"disk": 3},
        "stored": {"method": 0, "packed_body": MANIFEST[:-4], "packed": len(MANIFEST) - 4},
        "no deflate": {"packed_body": b"\xff" * 50, "packed": 50},
        "large": {"size": 0xFFFF_FFFF},
    }
    for label, lie in lies.items():
        entries = [{"name": b"a.yaml", "body": MANIFEST} | lie, {"name": b"z.yaml", "body": MANIFEST}]
        yield Hostile(f"zip {label}", raw_zip(entries), Flaw.DAMAGED)
    folder = {"name": b"folder/", "body": b"bytes", "mode": 0o040755}
    yield Hostile("zip folder with bytes", raw_zip([folder]), Flaw.DAMAGED, "folder/")
    yield Hostile("zip folder by mode", raw_zip([{"name": b"x", "mode": 0o040755}]), Flaw.DAMAGED, "x")
    entries = [{"name": b"a.yaml", "body": MANIFEST}]
    for label, end in {
        "more entries": {"count": 2, "here": 2},
        "fewer entries": {"count": 0, "here": 0},
        "another disk": {"disk": 1},
        "several disks": {"here": 0},
        "directory elsewhere": {"offset": 0},
        "directory longer": {"length": 10_000},
    }.items():
        yield Hostile(f"zip with {label}", raw_zip(entries, **end), Flaw.DAMAGED)
    yield Hostile("zip64", raw_zip(entries, count=0xFFFF, here=0xFFFF), Flaw.TOO_MANY_FILES)
    yield Hostile("zip with a trailer", raw_zip(entries, trailer=b"more"), Flaw.DAMAGED)
    yield Hostile("zip behind a zip", raw_zip(entries) + raw_zip(entries)[30:], Flaw.DAMAGED)
    for label, size in {
        "negative": b"-0000000001\0",
        "binary and negative": b"\xff" * 12,
        "binary and huge": b"\x80" + b"\xff" * 11,
        "words": b"many\0",
        "of other digits": b"9999\0",
        "parted": b"00\x0000\0",
    }.items():
        yield Hostile(f"tar size {label}", header(b"x", size=size) + END, Flaw.DAMAGED)
    yield Hostile("tar size beyond the end", header(b"x", size=10**9) + END, Flaw.DAMAGED, "x")
    yield Hostile("tar second header broken", unended(BASE) + b"no header".ljust(512) + END, Flaw.DAMAGED)
    yield Hostile("tar with a trailer", tar(BASE) + header(b"../x") + END, Flaw.DAMAGED)
    yield Hostile("tar with one empty block", unended(BASE) + bytes(512) + header(b"../x") + END, Flaw.DAMAGED)
    for label, record in {
        "none": b"x",
        "of no length": b"0 path=a\n",
        "of itself": b"1 \n",
        "beyond": b"999 path=a\n",
        "huge": b"99999999999999999999 path=a\n",
        "negative": b"-9 path=a\n",
        "unended": b"9 path=a ",
    }.items():
        pax = header(b"p", kind=b"x", size=len(record)) + padded(record)
        yield Hostile(f"pax record {label}", pax + header(b"a") + END, Flaw.DAMAGED)
    everything = b"12 path=one\n"
    pax = header(b"p", kind=b"g", size=len(everything)) + padded(everything)
    yield Hostile("pax name for all", pax + header(b"a") + END, Flaw.BAD_NAME)
    gnu = header(b"l", kind=b"L", size=3) + padded(b"abc")
    yield Hostile("two long names", gnu * 2 + header(b"a") + END, Flaw.DAMAGED)


def by_size() -> Iterator[Hostile]:
    many = LIMITS.files + 1
    yield Hostile("too large", bytes(LIMITS.packed_bytes + 1), Flaw.TOO_LARGE)
    yield Hostile("gzip bomb", gzip.compress(tar([("a", bytes(20 * 2**20))])), Flaw.EXPANDS_TOO_MUCH)
    yield Hostile("gzip bomb in a bomb", gzip.compress(gzip.compress(bytes(20 * 2**20))), Flaw.UNKNOWN)
    rng = random.Random(7)
    noise = rng.randbytes(60_000)
    yield Hostile("unpacks too large", tgz([("a", noise), ("b", bytes(5 * 2**20))]), Flaw.UNPACKS_TOO_LARGE)
    yield Hostile("zip bomb", zipped({"a": bytes(20 * 2**20)}), Flaw.EXPANDS_TOO_MUCH, "a")
    spread = {f"a{number}": bytes(2**18) for number in range(40)}
    yield Hostile("zip bomb in parts", zipped(spread), Flaw.EXPANDS_TOO_MUCH)
    yield Hostile("zip unpacks too large", zipped({"n": noise, "a": bytes(5 * 2**20)}), Flaw.UNPACKS_TOO_LARGE, "a")
    kernel = {"name": b"k", "body": bytes(2**20)}
    overlapping = [kernel, *({**kernel, "name": b"k%d" % at, "local_name": b"k", "offset": 0} for at in range(20))]
    yield Hostile("zip of one body many times", raw_zip(overlapping), Flaw.DAMAGED)
    quoted = [{"name": b"a%d" % at, "body": b"x" * 100, "offset": 0} for at in range(3)]
    yield Hostile("zip of shared bytes", raw_zip(quoted), Flaw.DAMAGED)
    yield Hostile("many files", tgz((f"f{number}", b"") for number in range(many)), Flaw.TOO_MANY_FILES)
    yield Hostile("many zip files", raw_zip({"name": b"f%d" % at} for at in range(many)), Flaw.TOO_MANY_FILES)
    folders = [special(f"d{number}", tarfile.DIRTYPE) for number in range(many)]
    yield Hostile("many folders", tgz(folders), Flaw.TOO_MANY_FILES)
    deep = [("/".join(f"{at}-{part}" for part in range(MAX_DEPTH)), b"") for at in range(many // 31 + 1)]
    yield Hostile("many folders that are only named", tgz(deep), Flaw.TOO_MANY_FILES)
    yield Hostile("many of them in a zip", zipped(dict(deep)), Flaw.TOO_MANY_FILES)
    extra = header(b"p", kind=b"x", size=12) + padded(b"12 path=one\n")
    yield Hostile("many headers of names", gzip.compress(extra * many), Flaw.TOO_MANY_FILES)
    for kind in (b"x", b"g", b"L"):
        large = header(b"p", kind=kind, size=2**20) + bytes(2**20)
        yield Hostile(f"large header of names {kind!r}", gzip.compress(large), Flaw.BAD_NAME)
    yield Hostile("many gzip files", tgz(BASE) + gzip.compress(b"") * 5_000, Flaw.DAMAGED)
    yield Hostile("large chart file", chart(**{"values.schema.json": b" " * 10}), Flaw.NAMED_TWICE)
    laughs = b"a0: &a0 x\n" + b"".join(
        b"a%d: &a%d [%s]\n" % (at, at, b",".join([b"*a%d" % (at - 1)] * 10)) for at in range(1, 12)
    )
    yield Hostile("YAML that stands for much", MANIFEST + laughs, Flaw.NOT_YAML)
    yield Hostile("the same in a chart", tgz([("shop/Chart.yaml", laughs)]), Flaw.NOT_YAML, "shop/Chart.yaml")
    yield Hostile("YAML within itself", b"a: &a [*a]\n", Flaw.NOT_YAML)
    yield Hostile("deep YAML", b"[" * 5_000, Flaw.NOT_YAML)
    yield Hostile("deep YAML by indent", b"\n".join(b" " * at + b"a:" for at in range(200)), Flaw.NOT_YAML)
    yield Hostile("YAML of many values", b"- a\n" * 210_000, Flaw.NOT_YAML)
    yield Hostile("YAML with a tag for Python", b"a: !!python/object/apply:os.system [id]\n", Flaw.UNKNOWN)


def by_schema() -> Iterator[Hostile]:
    def with_schema(schema: object) -> bytes:
        body = json.dumps(schema).encode()
        return tgz([("shop/Chart.yaml", CHART["shop/Chart.yaml"]), ("shop/values.schema.json", body)])

    name = "shop/values.schema.json"
    long = {"properties": {"k" * 300_000: {"properties": {str(one): {"type": "x"} for one in range(20_000)}}}}
    yield Hostile("schema of long names", with_schema(long), Flaw.NOT_SCHEMA, name)
    hidden = {"properties": {"\u202e\n\x1b[2J": {"type": "\u202e\n\x1b[2J"}}}
    yield Hostile("schema of names that cannot be shown", with_schema(hidden), Flaw.NOT_SCHEMA, name)
    patterns = {"patternProperties": {f"a{{900}}{one}": {} for one in range(3_000)}}
    yield Hostile("schema of large patterns", with_schema(patterns), Flaw.NOT_SCHEMA, name)
    yield Hostile("schema of many", with_schema({"allOf": [{} for _ in range(200_000)]}), Flaw.NOT_SCHEMA, name)


def by_cut() -> Iterator[Hostile]:
    whole, packed = tgz(BASE), zipped(CSAR)
    for at in range(len(whole) // 3, len(whole), max(1, len(whole) // 40)):
        yield Hostile(f"tgz cut at {at}", whole[:at], Flaw.DAMAGED)
    for at in range(30, len(packed), max(1, len(packed) // 25)):
        yield Hostile(f"zip cut at {at}", packed[:at], Flaw.DAMAGED)


HOSTILE = [*by_name(), *by_type(), *by_lie(), *by_size(), *by_schema(), *by_cut()]


def test_there_are_many_of_them() -> None:
    assert len(HOSTILE) >= 300
    assert len({one.body for one in HOSTILE}) >= 290
    assert {one.flaw for one in HOSTILE} == set(Flaw)


@pytest.fixture(scope="module", autouse=True)
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda one: one.label)
def test_a_hostile_archive_is_refused_and_nothing_is_written(
    hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "one" / "two"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    file = io.BytesIO(hostile.body)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    with pytest.raises(PackageRefused) as refused:
        open_package(file, limits=LIMITS)
    held = tracemalloc.get_traced_memory()[1] - before
    assert refused.value.flaw is hostile.flaw, refused.value.message
    if hostile.member is not None:
        assert refused.value.member == hostile.member
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 400
    assert held < HELD_BYTES
    assert sorted(os.walk(tmp_path)) == [
        (str(tmp_path), ["one"], []),
        (str(tmp_path / "one"), ["two"], []),
        (str(inside), [], []),
    ]


@pytest.mark.parametrize("body", [tgz(BASE), zipped(CSAR), MANIFEST])
def test_the_same_archives_without_the_harm_are_taken(body: bytes) -> None:
    """The negative control: what refuses the others is what was done to them."""
    assert open_package(io.BytesIO(body), limits=LIMITS).contents.file_count >= 1


@pytest.mark.parametrize("whole", [tgz(BASE), zipped(CSAR)], ids=["tgz", "zip"])
@given(data=st.data())
def test_whatever_is_changed_in_an_archive_it_is_taken_or_refused_and_nothing_else(
    whole: bytes, data: st.DataObject
) -> None:
    changed = bytearray(whole)
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=8)):
        changed[at] = data.draw(st.integers(0, 255))
    try:
        open_package(io.BytesIO(bytes(changed)), limits=LIMITS)
    except PackageRefused:
        return


@given(body=st.binary(max_size=4_096), begin=st.sampled_from([b"", b"\x1f\x8b\x08", b"PK\x03\x04", b"PK\x05\x06"]))
def test_any_bytes_are_taken_or_refused(body: bytes, begin: bytes) -> None:
    try:
        open_package(io.BytesIO(begin + body), limits=LIMITS)
    except PackageRefused:
        return
