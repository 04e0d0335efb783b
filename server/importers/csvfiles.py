"""CSV: sites, and with them nodes and links, as spreadsheets write them.

The first line names the columns, in any order and spelling of rows.py; the separator is a comma, semicolon or tab. Text is
UTF-8, with or without a byte order mark: a file in an older encoding is refused with the line of its first wrong byte,
for a guessed encoding would quietly change names.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping

from server.importers.network import ImportRefused, Network, Problem
from server.importers.rows import LINE_NAMES, MACHINE_NAMES, PLACE_NAMES, line_of, machine_of, named, place_of, plain

MAX_COLUMNS = 200
MAX_FIELD = 100_000
_SEPARATORS = ",;\t"

Row = tuple[str, dict[str, str]]


def read_sites(content: bytes, *, file: str, network: Network) -> None:
    """Adds the places of a file with the columns of sites. Raises ImportRefused."""
    for where, values in _rows(content, file=file, network=network, names=PLACE_NAMES, needed=("name", "id")):
        with network.row(where):
            network.add(place_of(values, where=where))


def read_links(content: bytes, *, file: str, network: Network) -> None:
    """Adds the lines of a file with the columns of links. Raises ImportRefused."""
    for where, values in _rows(content, file=file, network=network, names=LINE_NAMES, needed=("source",)):
        with network.row(where):
            network.lines.append(line_of(values, where=where))


def read_nodes(content: bytes, *, file: str, network: Network) -> None:
    """Adds the machines of a file with the columns of nodes. Raises ImportRefused."""
    for where, values in _rows(content, file=file, network=network, names=MACHINE_NAMES, needed=("site",)):
        with network.row(where):
            network.machines.append(machine_of(values, where=where))


def reader_for(content: bytes, *, file: str) -> Callable[..., None]:
    """What a file with these columns is read by: links have ends, nodes name their site, sites are the rest."""
    text = decoded(content, file=file)
    header = text.partition("\n")[0]
    columns = {plain(one): "x" for one in next(csv.reader([header], delimiter=_separator(header)), [])}
    if {"source", "target"} <= set(named(columns, LINE_NAMES)):
        return read_links
    if {"site", "cpu"} <= set(named(columns, MACHINE_NAMES)) and "site" in columns and "name" in columns:
        return read_nodes
    return read_sites


def decoded(content: bytes, *, file: str) -> str:
    """The text of a file. Raises ImportRefused with the line of the first byte that is no UTF-8."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError:
                break
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        reason = f"byte {content[problem.start]:#04x} is no UTF-8: save the file as UTF-8"
        raise ImportRefused([Problem(f"{file}:{line}", reason)]) from None


def _rows(
    content: bytes, *, file: str, network: Network, names: Mapping[str, tuple[str, ...]], needed: tuple[str, ...]
) -> Iterator[Row]:
    text = decoded(content, file=file)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ImportRefused([Problem(f"{file}:{line}", "has a NUL character: it is no CSV")])
    csv.field_size_limit(MAX_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text.partition("\n")[0]), strict=True)
    header: list[str] | None = None
    line = ended = 0
    try:
        for cells in reader:
            line, ended = ended + 1, reader.line_num  # a quoted cell may have several lines: a row is told by its first
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _header(
                    [cell.strip() for cell in cells], file=file, network=network, names=names, needed=needed
                )
                continue
            where = f"{file}:{line}"
            if len(cells) > len(header):
                network.problem(where, f"{len(cells)} cells under {len(header)} columns: quote cells with separators")
                continue
            yield where, {key: cell.strip() for key, cell in zip(header, cells, strict=False) if cell.strip()}
    except csv.Error as problem:
        until = f", in a row up to line {reader.line_num}" if reader.line_num > ended + 1 else ""
        raise ImportRefused([Problem(f"{file}:{ended + 1}", f"is no CSV: {problem}{until}")]) from None
    if header is None:
        raise ImportRefused([Problem(file, "is empty: the first line names the columns")])


def _header(
    columns: list[str], *, file: str, network: Network, names: Mapping[str, tuple[str, ...]], needed: tuple[str, ...]
) -> list[str]:
    if len(columns) > MAX_COLUMNS:
        raise ImportRefused([Problem(f"{file}:1", f"has {len(columns)} columns, at most {MAX_COLUMNS}")])
    spelled = [plain(one) for one in columns]
    twice = sorted({one for one in spelled if one and spelled.count(one) > 1})
    if twice:
        raise ImportRefused([Problem(f"{file}:1", f"names column {twice[0]!r} twice")])
    known = {alias for aliases in names.values() for alias in aliases}
    if not any(alias in spelled for one in needed for alias in names[one]):
        expected = " or ".join(needed)
        raise ImportRefused([Problem(f"{file}:1", f"has no column {expected}; it has {', '.join(columns)[:200]}")])
    unknown = [column for column, one in zip(columns, spelled, strict=True) if column and one not in known]
    if unknown:
        network.notes.append(f"{file}: columns without a meaning are left out: {', '.join(unknown)[:200]}")
    return spelled


def _separator(header: str) -> str:
    counts = {one: header.count(one) for one in _SEPARATORS}
    best = max(_SEPARATORS, key=lambda one: counts[one])
    return best if counts[best] else ","
