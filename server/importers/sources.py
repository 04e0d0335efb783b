"""Where an import's input is, and which importer reads it.

A topology of the package topohub is named `topohub:backbone/europe`; everything else is a file. The format is guessed from
the name's end, or from the first character, and can be said. Sizes are limited before anything is read.
"""

from __future__ import annotations

import difflib
import importlib.resources
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from server.importers.csvfiles import decoded, read_links, read_nodes, read_sites, reader_for
from server.importers.graphml import read_graphml
from server.importers.network import ImportRefused, Network, Problem
from server.importers.nodelink import read_node_link

FORMATS = ("topohub", "node-link", "graphml", "csv")
MAX_FILE_BYTES = 128 * 2**20
TOPOHUB = "topohub:"
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}(/[A-Za-z0-9_.-]{1,64}){1,3}")

SHOWN_KEY = 100
SHOWN_KEYS = 250

Format = Literal["topohub", "node-link", "graphml", "csv"]


@dataclass(frozen=True, kw_only=True)
class CsvFiles:
    """CSV files by what they hold; each may be left out."""

    sites: Path | None = None
    nodes: Path | None = None
    links: Path | None = None


def read_network(source: str | None, *, format: Format | None = None, files: CsvFiles | None = None) -> Network:
    """The network of a source and of CSV files beside it. Raises ImportRefused with everything that is wrong."""
    files = files or CsvFiles()
    if source is None:
        first = files.sites or files.nodes or files.links
        if first is None:
            raise ImportRefused([Problem("import", "names no input: give a file, or topohub:backbone/europe")])
        network = Network(first.stem)
    elif source.startswith(TOPOHUB):
        network = _topohub(source.removeprefix(TOPOHUB))
    else:
        network = _from_file(Path(source), format=format)
    for path, reader in ((files.sites, read_sites), (files.links, read_links), (files.nodes, read_nodes)):
        if path is not None:
            reader(content_of(path), file=path.name, network=network)
    network.check()
    if not network.places and not network.machines and not network.lines:
        raise ImportRefused([Problem(source or "import", "has neither sites nor nodes nor links")])
    return network


def content_of(path: Path) -> bytes:
    """A file's bytes. Raises ImportRefused when it cannot be read or is too large."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise ImportRefused([Problem(str(path), f"cannot be read: {reason}")]) from None
    if len(content) > MAX_FILE_BYTES:
        raise ImportRefused([Problem(str(path), f"has more than {MAX_FILE_BYTES >> 20} MiB: import it in parts")])
    return content


def topohub_keys() -> list[str]:
    """The names of the packaged topologies, such as `backbone/europe`."""
    found: list[str] = []
    waiting = [("", importlib.resources.files("topohub") / "data")]
    while waiting:
        prefix, folder = waiting.pop()
        for one in folder.iterdir():
            if one.is_dir():
                waiting.append((f"{prefix}{one.name}/", one))
            elif one.name.endswith(".json"):
                found.append(prefix + one.name.removesuffix(".json"))
    return sorted(found)


def _topohub(key: str) -> Network:
    # The key becomes part of a path: only what cannot lead out of the package's data is taken.
    resource = importlib.resources.files("topohub").joinpath("data", *f"{key}.json".split("/"))
    if not _KEY.fullmatch(key) or ".." in key or not resource.is_file():
        raise ImportRefused([Problem(TOPOHUB + key[:SHOWN_KEY], _unknown(key))])
    content = resource.read_text(encoding="utf-8")
    network = read_node_link(content, file=f"{TOPOHUB}{key}", name=key.replace("/", "-"))
    network.area = "CONTINENT" if key.startswith("backbone/") else None
    return network


def _unknown(key: str) -> str:
    """Why there is no such topology, with the names that are like it, or those of the set that it names."""
    keys = topohub_keys()
    below = f"{key.strip('/')}/"
    within = [one.removeprefix(below) for one in keys if one.startswith(below)]
    if within:
        more = f" and {len(within) - SHOWN_KEYS} more" if len(within) > SHOWN_KEYS else ""
        return f"is a set of topohub; it has {', '.join(within[:SHOWN_KEYS])}{more}"
    sets = sorted({one.partition("/")[0] for one in keys})
    by_case = {one.lower(): one for one in keys}
    like = [by_case[one] for one in difflib.get_close_matches(key[:SHOWN_KEY].lower(), by_case, n=3, cutoff=0.65)]
    meant = f"; did you mean {' or '.join(like)}?" if like else ", such as backbone/europe"
    return f"topohub has no such topology; its sets are {', '.join(sets)}{meant}"


def _from_file(path: Path, *, format: Format | None) -> Network:
    content = content_of(path)
    chosen = format or _guess(path, content)
    file, name = path.name, path.stem
    if chosen == "graphml":
        return read_graphml(content, file=file, name=name)
    if chosen == "csv":
        network = Network(name)
        reader_for(content, file=file)(content, file=file, network=network)
        return network
    return read_node_link(decoded(content, file=file), file=file, name=name)


def _guess(path: Path, content: bytes) -> Format:
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv"):
        return "csv"
    if ending in (".graphml", ".xml"):
        return "graphml"
    start = content[:4096].lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if start.startswith(b"<"):
        return "graphml"
    if start.startswith((b"{", b"[")) or ending == ".json":
        return "node-link"
    if b"," in start or b";" in start or b"\t" in start:
        return "csv"
    raise ImportRefused([Problem(path.name, f"has no known format: give --format {', '.join(FORMATS)}")])
