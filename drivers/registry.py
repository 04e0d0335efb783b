"""Which drivers there are: found by the entry points of the group `edgeatlas.drivers`, ours and others' alike.

A driver is loaded when it is first asked for, so that a backend's client library costs nothing where it is not used, and
one that cannot be loaded is a typed error for its own clusters and for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib.metadata import entry_points
from typing import Any

import structlog

from drivers.port import Driver, UnknownDriver
from graph.kinds import ArtifactType
from graph.refusal import Refusal

GROUP = "edgeatlas.drivers"
log = structlog.get_logger(__name__)


class DriverBroken(Refusal):
    """An installed driver that cannot be loaded."""

    code = "DRIVER_BROKEN"

    def __init__(self, name: str, why: object) -> None:
        super().__init__(
            f"the driver {name!r} cannot be loaded: {why}",
            remedy="reinstall the package that brings it; the server's log has the whole error",
            path="input.driver",
        )
        self.name = name


def _itself(driver: Driver) -> Driver:
    return driver


class DriverRegistry:
    """Drivers by name, each loaded once, and handed out with what goes around each of them."""

    def __init__(
        self, loaders: Mapping[str, Callable[[], Driver]], *, around: Callable[[Driver], Driver] = _itself
    ) -> None:
        self._loaders = dict(loaders)
        self._around = around
        self._loaded: dict[str, Driver] = {}
        self._taking: dict[frozenset[ArtifactType], frozenset[str]] = {}

    @classmethod
    def installed(cls, *, around: Callable[[Driver], Driver] = _itself) -> DriverRegistry:
        """The drivers of this environment."""
        return cls({point.name: point.load for point in entry_points(group=GROUP)}, around=around)

    @classmethod
    def of(cls, *drivers: Driver) -> DriverRegistry:
        """These drivers and no other."""
        registry = cls({})
        registry._loaded = {driver.name: driver for driver in drivers}
        return registry

    @property
    def names(self) -> list[str]:
        """The names of all drivers, sorted."""
        return sorted({*self._loaders, *self._loaded})

    def taking(self, types: Collection[ArtifactType]) -> frozenset[str]:
        """The names of the drivers that take packages of all these sorts. One that cannot be loaded takes nothing."""
        key = frozenset(types)
        found = self._taking.get(key)
        if found is None:
            found = self._taking[key] = frozenset(name for name in self.names if key <= self._taken_by(name))
        return found

    def _taken_by(self, name: str) -> frozenset[ArtifactType]:
        try:
            return self.get(name).artifacts
        except DriverBroken:
            return frozenset()

    def get(self, name: str) -> Driver:
        """The driver of that name. Raises UnknownDriver, or DriverBroken when it cannot be loaded."""
        found = self._loaded.get(name)
        if found is None:
            loader = self._loaders.get(name)
            if loader is None:
                raise UnknownDriver(name, known=self.names)
            try:
                found = self._around(loader())
            except Exception as problem:
                log.exception("driver.not_loaded", driver=name)
                raise DriverBroken(name, problem) from problem
            self._loaded[name] = found
        return found

    def check(self, name: str, configuration: Mapping[str, Any]) -> None:
        """Whether a cluster may be made so. Raises UnknownDriver, DriverBroken or InvalidConfiguration."""
        self.get(name).check(configuration)
