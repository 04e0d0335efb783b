"""Policy files: the words of a placement policy in YAML, with names where the API takes ids and a text for a place.

What is wrong in a file is told with its field before anything is asked of the server: the API would name a variable that
nobody wrote, and what JSON cannot hold would not even be sent.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml

from graph.document_values import plain_value
from graph.entity import KINDS, Kind
from graph.kinds.policy import NAMES, PlacementPolicy
from graph.refusal import InvalidInput
from graph.spelling import camel
from graph.yaml_values import shown
from server.cli.api import Api, Json
from server.cli.failures import Exit, Failure
from server.cli.lookup import entity_named, id_of

MOST_VALUES = 100_000
"""Values of one file: an alias stands for all that it names."""
DEEPEST = 64
WRITTEN = "write sites, latency, minSites, … in YAML"
_NAMES = {camel(field): kind for field, kind in NAMES.items()}
_POSITION = re.compile(r"\s*(-?\d{1,3}(?:\.\d+)?)\s*,\s*(-?\d{1,2}(?:\.\d+)?)\s*")


class _Twice(Exception):
    """A key that is given twice, and in which line."""


class _Loader(yaml.SafeLoader):
    """A safe loader that takes no key twice: the later would win, and nobody be told."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _Twice(f"line {key.start_mark.line + 1}: key {shown(key.value)} is given twice")
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def place_of(api: Api, text: str) -> Json:
    """A place as the API takes it: a site, a region, or `longitude,latitude`. Raises Failure."""
    position = _POSITION.fullmatch(text)
    if position is not None:
        longitude, latitude = float(position[1]), float(position[2])
        return {"name": text.strip(), "position": {"longitude": longitude, "latitude": latitude}}
    found = entity_named(api, text, ("Site", "Region"))
    key = "siteId" if found["__typename"] == "Site" else "regionId"
    return {"name": found.get("name") or text, key: found["id"]}


def policy_in_file(api: Api, path: Path) -> Json:
    """The policy of a file as the API takes it. Raises Failure that names the file and the field."""
    try:
        whole = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  # it is a safe one
    except _Twice as problem:
        raise Failure(str(problem), path=str(path), remedy="give it once", code=Exit.USAGE) from None
    except OSError as problem:
        raise Failure(
            f"{path} cannot be read: {problem.strerror}", remedy="name a file with a policy", code=Exit.USAGE
        ) from None
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as problem:
        raise Failure(f"{path} is no policy: {problem}", remedy=WRITTEN, code=Exit.USAGE) from None
    return policy_in(api, whole, path)


def policy_in(api: Api, whole: Any, path: Path) -> Json:
    """A policy that was read from a file, as the API takes it. Raises Failure that names the file and the field."""
    if not isinstance(whole, dict):
        raise Failure(f"{path} is no policy", remedy=WRITTEN, code=Exit.USAGE)
    reading = _Reading(api, path)
    reading.check(whole)
    policy: Json = reading.with_ids(whole)
    try:
        plain_value(PlacementPolicy, policy, (), "")
    except InvalidInput as refusal:
        raise reading.failure(refusal.message, at=refusal.path or "", remedy=refusal.remedy) from None
    return policy


class _Reading:
    """One file as it is read."""

    def __init__(self, api: Api, path: Path) -> None:
        self._api = api
        self._path = path
        self._values = 0

    def failure(self, message: str, *, at: str, remedy: str | None, code: Exit = Exit.USAGE) -> Failure:
        """What is wrong with a field."""
        where = at.lstrip(".")
        return Failure(message, remedy=remedy, path=f"{self._path}: {where}" if where else str(self._path), code=code)

    def check(self, value: Any, at: str = "", depth: int = 0) -> None:
        """Raises Failure for what is no value of a policy, whatever its field is."""
        self._values += 1
        if self._values > MOST_VALUES or depth > DEEPEST:
            most = f"{MOST_VALUES:,} values" if depth <= DEEPEST else f"{DEEPEST} levels"
            raise self.failure(f"it has more than {most}", at="", remedy="write a smaller policy")
        if isinstance(value, list):
            for number, one in enumerate(value):
                self.check(one, f"{at}[{number}]", depth + 1)
        elif isinstance(value, dict):
            for key, one in value.items():
                if not isinstance(key, str):
                    raise self.failure(f"{key!r} is no word", at=at, remedy="write it in quotes, if it is one")
                self.check(one, f"{at}.{key}", depth + 1)
        elif isinstance(value, float) and not math.isfinite(value):
            raise self.failure("it is no finite number", at=at, remedy="give one, or leave the word out")
        elif value is not None and not isinstance(value, str | int | float):
            raise self.failure(
                f"{str(value)[:64]!r} is neither a text nor a number", at=at, remedy="write it in quotes"
            )

    def with_ids(self, value: Any, at: str = "") -> Any:
        """The words of a policy with ids where a file has names, and places where it has texts."""
        if isinstance(value, list):
            return [self.with_ids(one, f"{at}[{number}]") for number, one in enumerate(value)]
        if isinstance(value, dict):
            return {key: self._word(key, one, f"{at}.{key}") for key, one in value.items()}
        return value

    def _word(self, key: str, value: Any, at: str) -> Any:
        if key in _NAMES:
            return self._ids(KINDS[_NAMES[key]], value, at)
        if key == "place" and isinstance(value, str):
            try:
                return place_of(self._api, value)
            except Failure as failure:
                raise self._named(failure, at) from None
        return self.with_ids(value, at)

    def _ids(self, kind: Kind, value: Any, at: str) -> Any:
        if isinstance(value, list):
            return [self._ids(kind, one, f"{at}[{number}]") for number, one in enumerate(value)]
        if not isinstance(value, str | int):
            return value
        try:
            return id_of(self._api, kind, str(value))
        except Failure as failure:
            raise self._named(failure, at) from None

    def _named(self, failure: Failure, at: str) -> Failure:
        return self.failure(failure.message, at=at, remedy=failure.remedy, code=failure.code)
