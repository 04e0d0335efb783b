"""What a driver brings to be put to the conformance kit: a bed, which is its real backend and a way to spoil it.

A new driver adds one class with these methods and a line in `BEDS` (tests/drivers/conformance/conftest.py); every test of
the kit then runs over it. A trouble is begun before the connection that meets it and ended after, so a bed may
make it in whatever way its backend can be spoilt: by its settings, by a proxy before it, or by a hand on the machine.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec

from drivers.port import Driver


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """An object as the backend itself has it, whatever its driver says."""

    generation: int
    replicas: int
    owner: str


class Bed(Protocol):
    """A backend for one test, with nothing in it, that serves the sites and nodes of `driverkit.work`."""

    driver: Driver
    rejected_reference: str
    """A package that the backend will never run."""

    def connected(self) -> AbstractAsyncContextManager[Any]:
        """A connection, a `Backend`; a second one sees what the first one left."""
        ...

    # Troubles: contexts, for the connections that are made in them

    def away(self, *sites: str) -> AbstractAsyncContextManager[None]:
        """These sites, by name, do not answer."""
        ...

    def slow(self) -> AbstractAsyncContextManager[None]:
        """Each call takes about 200 ms before anything is done."""
        ...

    def unready(self) -> AbstractAsyncContextManager[None]:
        """New replicas do not become ready; they do when it is over."""
        ...

    def losing_replies(self) -> AbstractAsyncContextManager[None]:
        """Every reply is lost after the work was done."""
        ...

    # A hand on the backend, past the driver, while there is a connection

    async def held(self) -> dict[str, Held]:
        """All objects by name, as the backend has them."""
        ...

    async def make(self, name: str, *, owner: str) -> None:
        """Makes an object at Aveiro with one replica on the node a1; owner '': nobody's, generation 0."""
        ...

    async def change(self, name: str, *, replicas: int) -> None:
        """Changes an object's replicas and nothing else."""
        ...

    async def spoil(self, name: str) -> None:
        """Changes what an object's replicas are made from, as by another image or another value, and nothing else."""
        ...

    async def delete(self, name: str) -> None:
        """Takes an object away."""
        ...

    async def crash(self, name: str) -> None:
        """Has one instance of an object not be ready any more, until it is mended."""
        ...

    async def mend(self, name: str) -> None:
        """Has that instance be ready again."""
        ...
