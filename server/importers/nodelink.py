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

from server.importers.network import ImportRefused, Line, Network, Place, Problem, RowWrong
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
        line = getattr(problem, "lineno", 1)
        raise ImportRefused([Problem(f"{file}:{line}", f"is no JSON: {getattr(problem, 'msg', problem)}")]) from None
    nodes = whole.get("nodes") if isinstance(whole, dict) else None
    line_key = next((one for one in LINE_KEYS if isinstance(whole.get(one), list)), None) if nodes is not None else None
    if not isinstance(nodes, list) or line_key is None:
        raise ImportRefused([Problem(file, "is no node-link JSON: it has no lists `nodes` and `links` or `edges`")])
    where = _Lines(content, file=file)
    network = Network(name)
    for at, row in enumerate(nodes):
        with network.row(f"{file} (nodes[{at}])"):
            network.add(place_of(_mapping(row), where=f"{file} (nodes[{at}])", key=_key(row)))
    taken: set[tuple[str, str, str | None]] = set()
    for at, row in enumerate(whole[line_key]):
        with network.row(f"{file} ({line_key}[{at}])"):
            line = line_of(_mapping(row), where=f"{file} ({line_key}[{at}])")
            if whole.get("directed") is True and (line.ends[1], line.ends[0], line.key) in taken:
                continue  # the same line, seen from its other end
            taken.add((*line.ends, line.key))
            network.lines.append(line)
    settle_positions(network)
    try:
        network.check()
    except ImportRefused as refused:
        raise ImportRefused([where.at(one) for one in refused.problems], total=refused.total) from None
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


class _Lines:
    """Finds the line of a row in the text; only asked when there are problems."""

    def __init__(self, content: str, *, file: str) -> None:
        self._content = content
        self._file = file
        self._starts: dict[str, list[int]] = {}

    def at(self, problem: Problem) -> Problem:
        """The problem with the line of its row before the row's name."""
        match = re.fullmatch(r"(.*) \((\w+)\[(\d+)\]\)", problem.where, re.DOTALL)
        if match is None:
            return problem
        lines = self._starts.setdefault(match[2], []) or self._scan(match[2])
        line = lines[int(match[3])] if int(match[3]) < len(lines) else 1
        return Problem(f"{self._file}:{line} ({match[2]}[{match[3]}])", problem.reason)

    def _scan(self, key: str) -> list[int]:
        """The lines on which the items of a list begin; the outer object's members are walked one by one."""
        lines = self._starts[key]
        decoder = json.JSONDecoder()
        content = self._content
        at = content.index("{") + 1
        while True:
            at = self._skip(at)
            if content[at] == "}":
                return lines
            name, at = decoder.raw_decode(content, at)
            at = content.index(":", at) + 1
            at = self._skip(at)
            if name == key and content[at] == "[":
                break
            _, at = decoder.raw_decode(content, at)
        at, line, counted = at + 1, 1, 0
        while content[at := self._skip(at)] != "]":
            line += content.count("\n", counted, at)
            counted = at
            lines.append(line)
            _, at = decoder.raw_decode(content, at)
        return lines

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self._content, at)
        return match.end() if match is not None else at
