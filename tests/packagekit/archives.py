"""Archives for tests: made by Python's own writers where they make such, and header by header where nobody would."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

CHART_YAML = b"apiVersion: v2\nname: shop\nversion: 1.4.2\nappVersion: 7.0\ndescription: Sells\n"
CHART = {
    "shop/Chart.yaml": CHART_YAML,
    "shop/values.yaml": b"replicas: 1\n",
    "shop/values.schema.json": b'{"type": "object"}',
    "shop/templates/deployment.yaml": b"{{- range }} not: [yaml\n",
    "shop/charts/db-1.0.0.tgz": b"\x1f\x8b is not opened",
}
CSAR = {
    "TOSCA-Metadata/TOSCA.meta": b"TOSCA-Meta-File-Version: 1.1\nEntry-Definitions: Definitions/app.yaml\n",
    "Definitions/app.yaml": b"tosca_definitions_version: tosca_simple_yaml_1_3\n"
    b"metadata: {template_name: cam, template_version: 1.0}\n",
    "Artifacts/image.bin": bytes(range(256)) * 8,
}
MANIFEST = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
HEAT = b"heat_template_version: 2018-08-31\ndescription: one server\nresources: {}\n"


def tar(members: Iterable[tuple[str, bytes] | tarfile.TarInfo], *, form: int = tarfile.PAX_FORMAT) -> bytes:
    """A plain tar archive of files, or of members as they are given."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:", format=form) as archive:
        for one in members:
            if isinstance(one, tarfile.TarInfo):
                archive.addfile(one, io.BytesIO(bytes(one.size)))
            else:
                info = tarfile.TarInfo(one[0])
                info.size = len(one[1])
                archive.addfile(info, io.BytesIO(one[1]))
    return out.getvalue()


def unended(members: Iterable[tuple[str, bytes] | tarfile.TarInfo]) -> bytes:
    """A plain tar archive without its end, for more to follow."""
    plain = tar(members).rstrip(b"\0")
    return plain + bytes(-len(plain) % 512)


def tgz(members: Iterable[tuple[str, bytes] | tarfile.TarInfo], *, form: int = tarfile.PAX_FORMAT) -> bytes:
    """The same within gzip; the same bytes for the same members."""
    return gzip.compress(tar(members, form=form), mtime=0)


def chart(**files: bytes) -> bytes:
    """A Helm chart, with further files of its folder."""
    return tgz([*CHART.items(), *((f"shop/{name}", body) for name, body in files.items())])


def special(name: str, kind: bytes, *, link: str = "", size: int = 0) -> tarfile.TarInfo:
    """A tar member of a type."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def header(
    name: bytes, *, kind: bytes = b"0", size: bytes | int = 0, prefix: bytes = b"", checksum: int | None = None
) -> bytes:
    """A tar header of 512 bytes, whatever it says."""
    digits = size if isinstance(size, bytes) else b"%011o\0" % size
    block = bytearray(512)
    block[0:100] = name[:100].ljust(100, b"\0")
    block[100:124] = b"0000644\0" + b"0000000\0" * 2
    block[124:136] = digits.ljust(12, b"\0")[:12]
    block[136:148] = b"00000000000\0"
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[345:500] = prefix[:155].ljust(155, b"\0")
    block[148:156] = b"%06o\0 " % (sum(block) if checksum is None else checksum)
    return bytes(block)


def padded(body: bytes) -> bytes:
    """A body as it lies in a tar archive."""
    return body + bytes(-len(body) % 512)


END = bytes(1024)


def zipped(files: Mapping[str, bytes], **modes: int) -> bytes:
    """A zip archive; `modes` are Unix modes by name, with `/` written `__`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = modes.get(name.replace("/", "__"), 0o100644) << 16
            archive.writestr(info, body)
    return out.getvalue()


def raw_zip(entries: Iterable[Mapping[str, Any]], *, trailer: bytes = b"", **end: int) -> bytes:
    """A zip archive entry by entry, each with what its two headers say: `name`, `body`, and what differs from the truth.

    That is `local_name`, `size`, `packed`, `crc`, `flags`, `method`, `mode`, `offset` or `made_by`; `packed_body` is what
    lies there.
    """
    out, directory, count = bytearray(), bytearray(), 0
    for one in entries:
        count += 1
        body: bytes = one.get("body", b"")
        method = one.get("method", 8)
        packer = zlib.compressobj(wbits=-15)
        packed = one.get("packed_body", packer.compress(body) + packer.flush() if method == 8 else body)
        name: bytes = one["name"]
        local: bytes = one.get("local_name", name)
        flags, crc = one.get("flags", 0), one.get("crc", zlib.crc32(body))
        size, packed_size = one.get("size", len(body)), one.get("packed", len(packed))
        offset = one.get("offset", len(out))
        out += struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, flags, method, 0, 0, crc, packed_size, size, len(local), 0)
        out += local + packed
        directory += struct.pack(
            "<4s6H3L5H2L",
            b"PK\x01\x02",
            one.get("made_by", 3 << 8 | 20),
            20,
            flags,
            method,
            0,
            0,
            crc,
            packed_size,
            size,
            len(name),
            0,
            0,
            one.get("disk", 0),
            0,
            one.get("mode", 0o100644) << 16,
            offset,
        )
        directory += name
    at = len(out)
    out += directory
    out += struct.pack(
        "<4s4H2LH",
        b"PK\x05\x06",
        end.get("disk", 0),
        0,
        end.get("here", count),
        end.get("count", count),
        end.get("length", len(directory)),
        end.get("offset", at),
        0,
    )
    return bytes(out) + trailer
