"""Node-link JSON: what networkx and topohub write, with the lines under `links` or `edges`.

Places are told by `pos`, as longitude and latitude, or by attributes of their own. Some of topohub's sets (the Gabriel
graphs, most of SNDlib) have `pos` on a plane without saying so; a file in which most are outside the range of degrees is
taken as such, one unit as one kilometre, its stated distances left alone when they were computed as if they were degrees.

Python's writer puts NaN into JSON; it is read here and refused where it stands, with its row, rather than as a whole file.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from server.importers.network import MAX_ROWS, ImportRefused, Line, Network, Place, Problem, RowWrong
from server.importers.rows import line_of, place_of, text

LINE_KEYS = ("links", "edges")
_SPACE = re.compile(r"[\s,]*")


def read_node_link(content: str, *, file: str, name: str) -> Network:
    """The network of a node-link file. Raises ImportRefused."""
    try:
        whole = json.loads(content)
    except RecursionError:
        raise ImportRefused([Problem(file, "nested too deeply")]) from None
    except ValueError as problem:
        raise ImportRefused([_no_json(problem, file=file)]) from None
    nodes = whole.get("nodes") if isinstance(whole, dict) else None
    line_key = next((one for one in LINE_KEYS if isinstance(whole.get(one), list)), None) if nodes is not None else None
    if not isinstance(nodes, list) or line_key is None:
        raise ImportRefused([Problem(file, "is no node-link JSON: it has no lists `nodes` and `links` or `edges`")])
    rows = _Rows(content, file=file)
    network = Network(name)
    for at, row in enumerate(nodes):
        where = rows.where("nodes", at)
        with network.row(where):
            network.add(place_of(_mapping(row), where=where, key=_key(row)))
    taken: set[tuple[str, str, str | None]] = set()
    for at, row in enumerate(whole[line_key]):
        where = rows.where(line_key, at)
        with network.row(where):
            line = line_of(_mapping(row), where=where)
            if whole.get("directed") is True and (line.ends[1], line.ends[0], line.key) in taken:
                continue  # the same line, seen from its other end
            taken.add((*line.ends, line.key))
            network.lines.append(line)
    settle_positions(network)
    network.check()
    return network


def settle_positions(network: Network) -> None:
    """Decides what `pos` was: degrees for all places, or coordinates on a plane for all."""
    stated = [one for one in network.places.values() if one.plane is not None]
    outside = [one for one in stated if one.plane is not None and not _in_degrees(one.plane)]
    on_plane = len(outside) * 2 > len(stated)
    if on_plane:
        network.notes.append(
            "Positions are on a plane, not in degrees: sites get none, and lengths are taken from it, a unit as a kilometre."
        )
    for place in stated:
        assert place.plane is not None
        if on_plane:
            continue
        if not _in_degrees(place.plane):
            network.problem(place.where, f"pos {list(place.plane)} is no longitude and latitude in degrees")
        network.places[place.key] = replace(place, position=place.plane, plane=None)
    if on_plane:
        network.lines = [_on_plane(line, network.places) for line in network.lines]


def _on_plane(line: Line, places: dict[str, Place]) -> Line:
    """The line with its straight length by its ends' coordinates."""
    ends = [places[one].plane for one in line.ends if one in places]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return line
    distance = ((ends[0][0] - ends[1][0]) ** 2 + (ends[0][1] - ends[1][1]) ** 2) ** 0.5
    return replace(line, straight_km=distance)


def _in_degrees(point: tuple[float, float]) -> bool:
    return -180 <= point[0] <= 180 and -90 <= point[1] <= 90


def _mapping(row: object) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise RowWrong("is no object")
    return row


def _key(row: object) -> str | None:
    """The node's id as networkx writes it: any scalar, 0 included."""
    return text(row["id"], "id", 200) if isinstance(row, dict) and row.get("id") is not None else None


def _no_json(problem: ValueError, *, file: str) -> Problem:
    if isinstance(problem, json.JSONDecodeError):
        return Problem(f"{file}:{problem.lineno}", f"is no JSON: {problem.msg} (column {problem.colno})")
    return Problem(file, f"is no JSON: {problem}")  # a number of more digits than Python reads


class _Rows:
    """The lines on which the rows of a file begin.

    The text is known to be JSON, so its outer object's members can be stepped over with the standard decoder, which says
    where each value ends. A server may refuse a row long after it was read, so a row's line is found with the row.
    """

    def __init__(self, content: str, *, file: str) -> None:
        self._content = content
        self._file = file
        self._lines: dict[str, list[int]] = {}
        self._read()

    def where(self, key: str, at: int) -> str:
        """Such as `net.json:340 (nodes[17])`."""
        lines = self._lines.get(key, ())
        line = f":{lines[at]}" if at < len(lines) else ""
        return f"{self._file}{line} ({key}[{at}])"

    def _read(self) -> None:
        decoder, content = json.JSONDecoder(), self._content
        at = content.index("{") + 1
        while content[at := self._skip(at)] != "}":
            name, at = decoder.raw_decode(content, at)
            at = self._skip(content.index(":", at) + 1)
            if name in ("nodes", *LINE_KEYS) and content[at] == "[":
                lines, end = self._items(decoder, at)
                self._lines[name] = lines  # of members of one name the last counts, as in the value that was read
                if end is None:
                    return
                at = end
            else:
                _, at = decoder.raw_decode(content, at)

    def _items(self, decoder: json.JSONDecoder, at: int) -> tuple[list[int], int | None]:
        """The lines of a list's items and where it ends; no end when it has more than an import may have."""
        content, lines = self._content, list[int]()
        line, counted = content.count("\n", 0, at) + 1, at
        at += 1
        while content[at := self._skip(at)] != "]":
            if len(lines) > MAX_ROWS:
                return lines, None
            line += content.count("\n", counted, at)
            counted = at
            lines.append(line)
            _, at = decoder.raw_decode(content, at)
        return lines, at + 1

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self._content, at)
        return match.end() if match is not None else at
