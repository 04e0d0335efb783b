"""What the attributes of a row are called, and what their values mean, the same in every format.

Tools name the same thing differently (Topology Zoo has `Latitude`, topohub `pos`, a spreadsheet `lat`), so each attribute
has its names here, without regard to case, spaces and underscores. Units are those of the graph; where a tool has another
one, the name says so (`LinkSpeedRaw` is bit/s). A value that cannot be read is never taken as missing: a wrong latitude
must not become a site without a position.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, TypeGuard

from graph.identifiers import label_key_problem, label_value_problem
from graph.kinds import SiteRole, Tier
from server.importers.network import Line, Machine, Place, RowWrong

PLACE_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "key", "siteid", "nodeid"),
    "name": ("name", "label", "site", "city", "title"),
    "display_name": ("displayname",),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng", "long"),
    "pos": ("pos", "position", "coordinates"),
    "role": ("role",),
    "sort": ("type", "kind"),
    "tier": ("tier",),
    "region": ("region", "regionname"),
    "country": ("country", "countryname", "countrycode"),
    "population": ("population", "pop"),
    "labels": ("labels",),
    "cpu": ("cpu", "cores", "cpus"),
    "memory": ("memory", "ram"),
    "storage": ("storage", "disk"),
    "gpu": ("gpu", "gpus", "gpucount"),
    "gpu_model": ("gpumodel", "gputype"),
    "price": ("pricepercorehour", "price"),
    "internal": ("internal",),
    "hyperedge": ("hyperedge",),
}
LINE_NAMES: dict[str, tuple[str, ...]] = {
    "source": ("source", "from", "fromsite", "a"),
    "target": ("target", "to", "tosite", "b"),
    "id": ("id", "key", "linkid"),
    "name": ("name", "label", "linklabel", "displayname"),
    "latency_ms": ("latencyms", "latency", "delayms", "delay"),
    "length_km": ("lengthkm", "length"),
    "straight_km": ("distancekm", "distance", "dist"),
    "bandwidth_mbps": ("bandwidthmbps", "bandwidth", "capacitymbps"),
    "bandwidth_bps": ("linkspeedraw",),
    "cost": ("cost",),
    "sort": ("type",),
    "labels": ("labels",),
}
MACHINE_NAMES: dict[str, tuple[str, ...]] = {
    "name": ("name", "node", "hostname"),
    "site": ("site", "siteid", "sitename"),
    "arch": ("arch", "architecture"),
    "cpu": PLACE_NAMES["cpu"],
    "memory": PLACE_NAMES["memory"],
    "storage": PLACE_NAMES["storage"],
    "gpu": PLACE_NAMES["gpu"],
    "gpu_model": PLACE_NAMES["gpu_model"],
    "labels": ("labels",),
}

_UNITS = {
    "": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15,
    "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40, "pi": 2**50,
}  # fmt: skip
_QUANTITY = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([kKmMgGtTpP]i?)?[bB]?")
_CORES = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(m?)")
_MISSING = frozenset({"", "none", "null", "n/a", "?"})
_SORTS = {
    "seacable waypoint": ("TRANSIT", "sea-cable-waypoint"),
    "seacable landing point": ("TRANSIT", "sea-cable-landing"),
    "city": ("COMPUTE", "city"),
}
"""The types of places that topohub writes: the role, and the value of the label `type`."""

Values = Mapping[str, Any]


def plain(name: str) -> str:
    """An attribute's name as the tables above have it."""
    return re.sub(r"[\s_.-]", "", name).lower()


def named(given: Values, names: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The values by our names; of several spellings of one, the first in the table that has a value."""
    spelled = {plain(str(key)): value for key, value in given.items()}
    found: dict[str, Any] = {}
    for ours, theirs in names.items():
        for one in theirs:
            if (value := spelled.get(one)) is not None and not is_missing(value):
                found[ours] = value
                break
    return found


def is_missing(value: object) -> bool:
    """Whether a text stands for no value. A number that is none (NaN) is not missing but wrong."""
    return isinstance(value, str) and value.strip().lower() in _MISSING


def place_of(given: Values, *, where: str, key: str | None = None) -> Place:
    """A place from a row's attributes. Raises RowWrong.

    `pos` may be on a plane (`Place.plane`), which is known only when all places are read (`nodelink.settle_positions`).
    """
    values = named(given, PLACE_NAMES)
    name = text(values.get("name"), "name", 253) if "name" in values else None
    own = key if key is not None else text(values["id"], "id", 200) if "id" in values else name
    if not own:
        raise RowWrong("neither an id nor a name")
    sort = text(values["sort"], "type", 100) if "sort" in values else None
    role, label = _SORTS.get((sort or "").lower(), (None, None))
    if "role" in values:
        role = choice(values["role"], [one.name for one in SiteRole], "role")
    elif _flag(values.get("hyperedge")) or ("internal" in values and not _flag(values["internal"])):
        role = "TRANSIT"  # Topology Zoo: drawn for the picture's sake, or of another network
    labels = labels_of(values.get("labels"))
    if label is not None:
        labels.setdefault("type", label)
    position, plane = _position(values)
    population = None
    if "population" in values:
        population = number(values["population"], "population", most=1e11)
    return Place(
        where=where,
        key=own,
        name=name,
        display_name=text(values["display_name"], "display_name", 253) if "display_name" in values else None,
        position=position,
        plane=plane,
        role=role or "COMPUTE",
        tier=choice(values["tier"], [one.name for one in Tier], "tier") if "tier" in values else None,
        region=text(values["region"], "region", 253) if "region" in values else None,
        country=text(values["country"], "country", 253) if "country" in values else None,
        population=population,
        sort=sort,
        labels=labels,
        capacity=capacity_of(values),
        price_per_core_hour=number(values["price"], "price", most=1e9) if "price" in values else None,
    )


def line_of(given: Values, *, where: str) -> Line:
    """A line from a row's attributes: `length` is the line's own, `distance` that of its ends. Raises RowWrong."""
    values = named(given, LINE_NAMES)
    ends = []
    for end in ("source", "target"):
        if end not in values:
            raise RowWrong(f"no {end}")
        ends.append(text(values[end], end, 200))
    bandwidth = number(values["bandwidth_mbps"], "bandwidth", most=1e12) if "bandwidth_mbps" in values else None
    if bandwidth is None and "bandwidth_bps" in values:
        bandwidth = number(values["bandwidth_bps"], "LinkSpeedRaw", most=1e18) / 1e6
    labels = labels_of(values.get("labels"))
    if str(values.get("sort", "")).lower() == "seacable":
        labels.setdefault("type", "sea-cable")
    return Line(
        where=where,
        ends=(ends[0], ends[1]),
        key=text(values["id"], "id", 200) if "id" in values else None,
        display_name=text(values["name"], "name", 253) if "name" in values else None,
        latency_ms=number(values["latency_ms"], "latency", most=1e5) if "latency_ms" in values else None,
        length_km=number(values["length_km"], "length", most=1e6) if "length_km" in values else None,
        straight_km=number(values["straight_km"], "distance", most=1e6) if "straight_km" in values else None,
        bandwidth_mbps=bandwidth,
        cost=number(values["cost"], "cost", most=1e12) if "cost" in values else None,
        labels=labels,
    )


def machine_of(given: Values, *, where: str) -> Machine:
    """A machine from a row's attributes. Raises RowWrong."""
    values = named(given, MACHINE_NAMES)
    for name in ("name", "site"):
        if name not in values:
            raise RowWrong(f"no {name}")
    capacity = capacity_of(values)
    if capacity is None or not capacity.get("cpuMillicores") or not capacity.get("memoryBytes"):
        raise RowWrong("a node states its cpu and memory, such as cpu 16 and memory 64Gi")
    return Machine(
        where=where,
        name=text(values["name"], "name", 253),
        site=text(values["site"], "site", 253),
        arch=text(values["arch"], "arch", 63) if "arch" in values else None,
        capacity=capacity,
        labels=labels_of(values.get("labels")),
    )


def capacity_of(values: Values) -> dict[str, object] | None:
    """Resources as documents spell them, from cpu, memory, storage, gpu and gpu_model; None when none is given."""
    found: dict[str, object] = {}
    if "cpu" in values:
        found["cpuMillicores"] = millicores(values["cpu"])
    for name in ("memory", "storage"):
        if name in values:
            found[f"{name}Bytes"] = byte_count(values[name], name)
    if "gpu" in values:
        count = number(values["gpu"], "gpu", most=1024)
        if count != int(count):
            raise RowWrong(f"gpu {values['gpu']!r} is no whole number")
        if count:
            model = text(values.get("gpu_model", "gpu"), "gpu_model", 63)
            found["accelerators"] = [{"model": model, "count": int(count)}]
    return found or None


def millicores(value: object) -> int:
    """Thousandths of a core: `16` cores, `0.5`, `1500m`. Raises RowWrong."""
    match = _CORES.fullmatch(str(value).strip()) if _scalar(value) else None
    if match is None:
        raise RowWrong(f"cpu {value!r} is no number of cores, such as 16, 0.5 or 1500m")
    return round(float(match[1]) * (1 if match[2] else 1000))


def byte_count(value: object, what: str) -> int:
    """Bytes: `64Gi`, `64GiB`, `64GB`, `68719476736`. Raises RowWrong."""
    match = _QUANTITY.fullmatch(str(value).strip()) if _scalar(value) else None
    amount = round(float(match[1]) * _UNITS[(match[2] or "").lower()]) if match is not None else 2**53
    if amount >= 2**53:
        raise RowWrong(f"{what} {value!r} is no amount of bytes, such as 64Gi or 500GB")
    return amount


def number(value: object, what: str, *, least: float = 0.0, most: float) -> float:
    """A finite number within bounds. Raises RowWrong."""
    try:
        if not _scalar(value):
            raise ValueError
        found = float(value.strip() if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        raise RowWrong(f"{what} {_short(value)} is no number") from None
    if not math.isfinite(found):
        raise RowWrong(f"{what} {_short(value)} is not finite")
    if not least <= found <= most:
        raise RowWrong(f"{what} {_short(value)} is not from {least:g} to {most:g}")
    return found


def text(value: object, what: str, longest: int) -> str:
    """A text of one line, its white space joined. Raises RowWrong."""
    if not _scalar(value):
        raise RowWrong(f"{what} is {_short(value)}, not a text")
    if isinstance(value, float) and not math.isfinite(value):
        raise RowWrong(f"{what} {value!r} is not finite")
    found = " ".join(str(int(value) if isinstance(value, float) and value.is_integer() else value).split())
    if not found:
        raise RowWrong(f"{what} is empty")
    if len(found) > longest:
        raise RowWrong(f"{what} has {len(found)} characters, at most {longest}")
    return found


def choice(value: object, among: list[str], what: str) -> str:
    """One of a few words, in any case. Raises RowWrong."""
    found = str(value).strip().upper()
    if found not in among:
        raise RowWrong(f"{what} {_short(value)} is none of {', '.join(among)}")
    return found


def labels_of(value: object) -> dict[str, str]:
    """Labels from a mapping or from `key=value;key=value`. Raises RowWrong."""
    if value is None:
        return {}
    pairs: dict[str, str] = {}
    if isinstance(value, Mapping):
        pairs = {str(key): str(one) for key, one in value.items()}
    elif isinstance(value, str):
        for part in re.split(r"[;,]", value):
            if part.strip():
                key, found, one = part.partition("=")
                if not found:
                    raise RowWrong(f"label {part.strip()!r} is not key=value")
                pairs[key.strip()] = one.strip()
    else:
        raise RowWrong(f"labels are {_short(value)}, not key=value;key=value")
    for key, one in pairs.items():
        problem = label_key_problem(key) or label_value_problem(one)
        if problem is not None:
            raise RowWrong(f"label {key}={one}: {problem}")
    return pairs


def _position(values: Values) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    if "latitude" in values or "longitude" in values:
        if "latitude" not in values or "longitude" not in values:
            raise RowWrong("of latitude and longitude one is missing")
        return (
            number(values["longitude"], "longitude", least=-180, most=180),
            number(values["latitude"], "latitude", least=-90, most=90),
        ), None
    if "pos" not in values:
        return None, None
    pos = values["pos"]
    if isinstance(pos, Mapping):
        inner = named(pos, PLACE_NAMES)
        if "latitude" in inner and "longitude" in inner:
            return _position(inner)
        raise RowWrong("position has no latitude and longitude")
    if not isinstance(pos, list | tuple) or len(pos) != 2:
        raise RowWrong(f"pos {_short(pos)} is no pair of longitude and latitude")
    return None, (
        number(pos[0], "pos[0]", least=-1e7, most=1e7),
        number(pos[1], "pos[1]", least=-1e7, most=1e7),
    )


def _flag(value: object) -> bool:
    return str(value).strip().lower() in ("1", "1.0", "true", "yes")


def _scalar(value: object) -> TypeGuard[str | int | float]:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
