"""What every format is read into: places, lines between them and machines at them, each with where it was written.

A row that is wrong does not end the reading: it is kept as a problem with its place, and the next row is read, so that
whoever mends the file mends it once. Nothing of a network with problems is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

MAX_ROWS = 200_000
"""Rows of all sorts together; a set of documents has at most 250,000."""
SHOWN_PROBLEMS = 1_000
"""Problems that are kept with their text; the others are counted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file."""

    where: str
    """`sites.csv:12`, or `net.json:340 (nodes[17])`."""
    reason: str
    """What is wrong and, where it is not plain, what would be right."""


class RowWrong(Exception):
    """A row that cannot be taken; the text is the reason. Caught by `Network.row`."""


class ImportRefused(Exception):
    """Files that cannot be imported, with everything that is wrong with them."""

    def __init__(self, problems: list[Problem], *, total: int | None = None) -> None:
        self.problems = problems
        self.total = len(problems) if total is None else total
        """How many there are, those that `problems` leaves out included."""
        shown = "; ".join(f"{one.where}: {one.reason}" for one in problems[:3])
        super().__init__(f"{self.total} problem{'s' if self.total != 1 else ''}: {shown}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A row that becomes a site. `key` is its id in the file; positions are (longitude, latitude) in degrees, WGS84."""

    where: str
    key: str
    name: str | None = None
    display_name: str | None = None
    position: tuple[float, float] | None = None
    plane: tuple[float, float] | None = None
    """Coordinates on a plane, when the file's are no longitudes and latitudes; taken as kilometres."""
    role: str = "COMPUTE"
    tier: str | None = None
    region: str | None = None
    country: str | None = None
    population: float | None = None
    sort: str | None = None
    """What sort of place the file says it is, such as `City`."""
    labels: dict[str, str] = field(default_factory=dict)
    capacity: dict[str, object] | None = None
    """Resources as documents spell them."""
    price_per_core_hour: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row that becomes a link. Ends are keys of places; of the three measures the first known gives the latency."""

    where: str
    ends: tuple[str, str]
    key: str | None = None
    """Its own id in the file, which tells parallel lines apart."""
    display_name: str | None = None
    latency_ms: float | None = None
    length_km: float | None = None
    """Of the line itself."""
    straight_km: float | None = None
    """Between its ends, as the crow flies."""
    bandwidth_mbps: float | None = None
    cost: float | None = None
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A row that becomes a node; `site` is the key or the name of a place, or the name of a site on the server."""

    where: str
    name: str
    site: str
    arch: str | None = None
    capacity: dict[str, object] | None = None
    labels: dict[str, str] = field(default_factory=dict)


class Network:
    """What was read, in the order of the files. Not changed after the reading."""

    def __init__(self, name: str) -> None:
        self.name = name
        """What the file is called, for the import's name when none is given."""
        self.places: dict[str, Place] = {}
        self.lines: list[Line] = []
        self.machines: list[Machine] = []
        self.notes: list[str] = []
        """What was read otherwise than it stands, for whoever imports."""
        self.origins: dict[tuple[str, str], str] = {}
        """Where the documents were made from, by their kind and name: for what the server says of them."""
        self.area: str | None = None
        """The level of the region that holds the whole, where the source is known to be one."""
        self._problems: list[Problem] = []
        self._count = 0
        self._rows = 0

    @contextmanager
    def row(self, where: str) -> Iterator[None]:
        """The reading of one row: what it raises as RowWrong is a problem at `where`."""
        self._rows += 1
        if self._rows > MAX_ROWS:
            self.problem(where, f"an import has at most {MAX_ROWS} rows; import it in parts under several names")
            self.check()
        try:
            yield
        except RowWrong as wrong:
            self.problem(where, str(wrong))

    def add(self, place: Place) -> None:
        """Takes a place. Raises RowWrong when its id is taken."""
        other = self.places.get(place.key)
        if other is not None:
            raise RowWrong(f"id {place.key!r} is given twice, first at {other.where}")
        self.places[place.key] = place

    def problem(self, where: str, reason: str) -> None:
        """Keeps a problem."""
        self._count += 1
        if len(self._problems) < SHOWN_PROBLEMS:
            self._problems.append(Problem(where, reason))

    def check(self) -> None:
        """Raises ImportRefused when there were problems."""
        if self._count:
            raise ImportRefused(self._problems, total=self._count)
