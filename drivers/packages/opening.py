"""What a package is, found in its bytes: never by its name, nor by what the sender says of it.

All of it is read once, so that what is kept was read to its end; only the few small files that tell what it is are held.
Nothing is written anywhere, and archives within it are files like others: they are not opened.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, BinaryIO

import msgspec

from drivers.packages.flaws import LIMITS, Flaw, Limits, Meter, PackageRefused
from drivers.packages.members import Member
from drivers.packages.tars import begins_as_tar, tar_members
from drivers.packages.values_rules import VALUES, VALUES_SCHEMA, values_rules
from drivers.packages.yaml_texts import MAX_TEXT_BYTES, yaml_documents
from drivers.packages.zips import EMPTY_ZIP, ZIP, zip_members
from graph.json_schema_form import form_problem
from graph.kinds import ArtifactType, PackageContents

CHART = "Chart.yaml"
CSAR_META = "TOSCA-Metadata/TOSCA.meta"
YAML_SUFFIXES = (".yaml", ".yml", ".json")
MAX_HELD_BYTES = 16 * 2**20
"""Of the files of one archive that are held to be looked at."""
MAX_CHART_BYTES = 256 * 1024
MAX_SCHEMA_BYTES = 2**20
MAX_WORD = 255
_TGZ, _TAR, _ZIP, _YAML = "application/gzip", "application/x-tar", "application/zip", "application/yaml"


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What a package was found to be."""

    type: ArtifactType
    media_type: str
    contents: PackageContents
    schema_text: str | None = None
    """Of a chart whose values can be checked: their JSON Schema."""
    defaults_text: str | None = None
    """Of the same, its own values as JSON."""


def open_package(file: BinaryIO, *, limits: Limits = LIMITS) -> Opened:
    """Reads a whole package from a file that can be sought in. Raises PackageRefused. Blocking."""
    size = file.seek(0, 2)
    file.seek(0)
    begin = file.read(4)
    file.seek(0)
    meter = Meter(size, limits)
    if begin in (ZIP, EMPTY_ZIP):
        return _archive(zip_members(file, meter, limits), _ZIP)
    if begins_as_tar(file):
        return _archive(tar_members(file, meter), _TGZ if begin[:2] == b"\x1f\x8b" else _TAR)
    return _text(file, size)


def read_members(
    file: BinaryIO, wanted: Callable[[str], bool], *, max_bytes: int = MAX_HELD_BYTES, limits: Limits = LIMITS
) -> dict[str, bytes]:
    """The wanted files of an archive by name, under the limits of any package. Raises PackageRefused. Blocking.

    All of the archive is read, so that a damaged one gives nothing.
    """
    size = file.seek(0, 2)
    file.seek(0)
    begin = file.read(4)
    file.seek(0)
    meter = Meter(size, limits)
    members = zip_members(file, meter, limits) if begin in (ZIP, EMPTY_ZIP) else tar_members(file, meter)
    held = _Held(max_bytes)
    for member in members:
        if wanted(member.name):
            held.take(member)
        else:
            for _ in member.pieces:
                pass
    return held.bodies


class _Held:
    """Files that are held, within a bound over all."""

    def __init__(self, max_bytes: int) -> None:
        self.bodies: dict[str, bytes] = {}
        self._left = max_bytes

    def take(self, member: Member, *, max_bytes: int | None = None) -> None:
        most = self._left if max_bytes is None else min(self._left, max_bytes)
        body = bytearray()
        for piece in member.pieces:
            body += piece
            if len(body) > most:
                raise PackageRefused(
                    Flaw.TOO_LARGE, "it is more than can be looked at, alone or with the others", member=member.name
                )
        self._left -= len(body)
        self.bodies[member.name] = bytes(body)


def _archive(members: Iterator[Member], media_type: str) -> Opened:
    held, names, unpacked = _Held(MAX_HELD_BYTES), set[str](), 0
    for member in members:
        names.add(member.name)
        if _tells(member.name, names):
            held.take(member, max_bytes=_most(member.name))
            unpacked += len(held.bodies[member.name])
        else:
            unpacked += sum(len(piece) for piece in member.pieces)
    found = _chart(held.bodies) or _csar(held.bodies, names) or _plain(held.bodies)
    if found is None:
        raise PackageRefused(Flaw.UNKNOWN, "nothing in the archive tells what it is")
    kind, contents = found
    rules = values_rules(held.bodies) if contents.values_schema else None
    contents = msgspec.structs.replace(
        contents,
        file_count=len(names),
        unpacked_bytes=unpacked,
        values_checked=rules is not None,
        unchecked_subchart_schemas=sum(map(_is_of_subchart, names)) if kind is ArtifactType.HELM_CHART else 0,
    )
    schema_text, defaults_text = rules or (None, None)
    return Opened(
        type=kind, media_type=media_type, contents=contents, schema_text=schema_text, defaults_text=defaults_text
    )


def _tells(name: str, names: Collection[str]) -> bool:
    """Whether a file tells what its archive is. Within a chart it is the chart's own two; else each text of YAML."""
    folder, _, last = name.rpartition("/")
    if name == CSAR_META or (last in (CHART, VALUES_SCHEMA, VALUES) and folder and "/" not in folder):
        return True
    top = name.partition("/")[0]
    return name.endswith(YAML_SUFFIXES) and f"{top}/{CHART}" not in names and "templates/" not in name


def _is_of_subchart(name: str) -> bool:
    """Whether a file is the schema of a chart in a chart: `shop/charts/db/values.schema.json`, or deeper."""
    *folders, last = name.split("/")
    return last == VALUES_SCHEMA and len(folders) > 1 and len(folders) % 2 == 1 and set(folders[1::2]) == {"charts"}


def _most(name: str) -> int:
    last = name.rpartition("/")[2]
    return MAX_CHART_BYTES if last == CHART else MAX_SCHEMA_BYTES if last == VALUES_SCHEMA else MAX_TEXT_BYTES


def _chart(bodies: dict[str, bytes]) -> tuple[ArtifactType, PackageContents] | None:
    """A Helm chart: one folder, with Chart.yaml in it (helm.sh/docs/topics/charts, The Chart.yaml File)."""
    charts = [name for name in bodies if name.count("/") == 1 and name.endswith(f"/{CHART}")]
    if len(charts) != 1:
        return None
    (name,) = charts
    documents = yaml_documents(bodies[name], name=name)
    chart = documents[0] if len(documents) == 1 and isinstance(documents[0], dict) else {}
    if not _word(chart, "name") or not _word(chart, "version") or chart.get("apiVersion") not in ("v1", "v2"):
        raise PackageRefused(Flaw.UNKNOWN, "a chart states apiVersion (v1 or v2), name and version", member=name)
    schema = f"{name.removesuffix(CHART)}{VALUES_SCHEMA}"
    if schema in bodies:
        _check_schema(bodies[schema], schema)
    return ArtifactType.HELM_CHART, PackageContents(
        name=_word(chart, "name"),
        version=_word(chart, "version"),
        app_version=_word(chart, "appVersion"),
        description=_word(chart, "description"),
        values_schema=schema in bodies,
    )


def _check_schema(body: bytes, name: str) -> None:
    try:
        schema = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise PackageRefused(Flaw.DAMAGED, "it is no JSON Schema, for it is no JSON", member=name) from None
    problem = form_problem(schema)
    if problem is not None:
        raise PackageRefused(Flaw.NOT_SCHEMA, f"it is no JSON Schema: {problem}", member=name)


def _csar(bodies: dict[str, bytes], names: Collection[str]) -> tuple[ArtifactType, PackageContents] | None:
    """A CSAR (TOSCA Simple Profile 1.3, section 6): by its metadata file, or by one service template at its top."""
    if CSAR_META in bodies:
        entry = _meta(bodies[CSAR_META]).get("Entry-Definitions")
        if entry is None or entry not in names:
            raise PackageRefused(Flaw.UNKNOWN, "its Entry-Definitions are not in the archive", member=CSAR_META)
    else:
        tops = [one for one in sorted(bodies) if "/" not in one and one.endswith((".yaml", ".yml"))]
        if len(tops) != 1 or not _is_template(
            yaml_documents(bodies[tops[0]], name=tops[0]), "tosca_definitions_version"
        ):
            return None
        (entry,) = tops
    if entry not in bodies:
        return ArtifactType.CSAR, PackageContents()
    documents = yaml_documents(bodies[entry], name=entry)
    template = documents[0] if documents and isinstance(documents[0], dict) else {}
    metadata = template.get("metadata")
    stated = {**template, **(metadata if isinstance(metadata, dict) else {})}
    return ArtifactType.CSAR, PackageContents(
        name=_word(stated, "template_name"),
        version=_word(stated, "template_version"),
        description=_word(template, "description"),
    )


def _meta(body: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in body.decode("utf-8", "replace").splitlines())
    return {key.strip(): value.strip() for key, colon, value in lines if colon}


def _plain(bodies: dict[str, bytes]) -> tuple[ArtifactType, PackageContents] | None:
    """An archive of YAML: a Heat template at its top with what it uses, or manifests."""
    texts = {one: yaml_documents(body, name=one) for one, body in sorted(bodies.items()) if one.endswith(YAML_SUFFIXES)}
    heat = [one for one, documents in texts.items() if "/" not in one and _is_template(documents, _HEAT)]
    if heat:
        return ArtifactType.HEAT_TEMPLATE, _heat(texts[heat[0]][0])
    found = 0
    for name, documents in texts.items():
        if documents and all(map(_is_manifest, documents)):
            found += len(documents)
        elif any(map(_is_manifest, documents)):
            raise PackageRefused(Flaw.UNKNOWN, "some of its documents are manifests and some are not", member=name)
    return (ArtifactType.MANIFESTS, PackageContents(document_count=found)) if found else None


_HEAT = "heat_template_version"


def _text(file: BinaryIO, size: int) -> Opened:
    """A package that is one text."""
    if size > MAX_TEXT_BYTES:
        raise PackageRefused(Flaw.UNKNOWN, "it is neither an archive nor a text of YAML")
    body = file.read()
    if b"\0" in body:
        raise PackageRefused(Flaw.UNKNOWN, "it is neither an archive nor a text of YAML")
    documents = yaml_documents(body, name="the text")
    if _is_template(documents, _HEAT):
        kind, contents = ArtifactType.HEAT_TEMPLATE, _heat(documents[0])
    elif documents and all(map(_is_manifest, documents)):
        kind, contents = ArtifactType.MANIFESTS, PackageContents(document_count=len(documents))
    else:
        raise PackageRefused(Flaw.UNKNOWN, "the text is neither manifests nor a Heat template")
    contents = msgspec.structs.replace(contents, unpacked_bytes=size)
    return Opened(type=kind, media_type=_YAML, contents=contents)


def _heat(template: dict[Any, Any]) -> PackageContents:
    return PackageContents(version=_word(template, _HEAT), description=_word(template, "description"))


def _is_template(documents: list[Any], key: str) -> bool:
    return len(documents) == 1 and isinstance(documents[0], dict) and key in documents[0]


def _is_manifest(document: Any) -> bool:
    return isinstance(document, dict) and bool(_word(document, "apiVersion")) and bool(_word(document, "kind"))


def _word(values: dict[Any, Any], key: str) -> str | None:
    """A text of a mapping as it can be shown: one line, short, printable; None when there is none."""
    value = values.get(key)
    if not isinstance(value, str):
        return None
    line = " ".join("".join(one if one.isprintable() else " " for one in value[:4_096]).split())
    return line[:MAX_WORD] or None
