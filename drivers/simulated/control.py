"""A client of what a simulated backend is told (service.py): for fault tests, benchmarks and demonstrations.

It is not the driver's: a driver knows nothing of faults. It goes its own way to the backend, and is answered whatever
the cluster is set to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from drivers.port import ObservedRelease
from drivers.simulated.client import Answer, HttpPool
from drivers.simulated.effects import Effect
from drivers.simulated.planned import Plan, PlannedFault
from drivers.simulated.remote import address_of

TIMEOUT_S = 30.0


class ControlRefused(Exception):
    """The backend did not do what it was told; the text says why."""


class Control:
    """Of one cluster at a backend."""

    def __init__(self, endpoint: str, cluster: str, *, token: str | None = None) -> None:
        headers = {"content-type": "application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        self._pool = HttpPool(address_of(endpoint), connections=8, headers=headers)
        self._where = f"/v1/clusters/{cluster}"

    def close(self) -> None:
        """Closes the connections."""
        self._pool.close()

    async def behave(self, **settings: Any) -> None:
        """Sets these settings (docs/simulated.md, in camel case) and lets the others be; None is the default."""
        await self._ask("PATCH", "/behaviour", settings)

    async def behave_only(self, **settings: Any) -> None:
        """Sets these settings, and all others to their defaults."""
        await self._ask("PUT", "/behaviour", settings)

    async def plan(
        self, fault: PlannedFault, *, verb: str = "", site: str = "", name: str = "", skip: int = 0, count: int = 1
    ) -> None:
        """Plans a fault for the next calls that fit."""
        await self._ask("POST", "/plans", Plan(fault=fault, verb=verb, site=site, name=name, skip=skip, count=count))

    async def forget_plans(self) -> None:
        """No fault is planned any more."""
        await self._ask("DELETE", "/plans")

    async def tallies(self) -> Mapping[str, int]:
        """How many calls there were since the start, by verb, and how many had which fault."""
        return msgspec.json.decode((await self._ask("GET", "/tallies")).body, type=dict[str, int])

    async def effects(self, *, after: int = 0) -> list[Effect]:
        """All effects above a number, oldest first. Raises ControlRefused when some of them are no longer known."""
        found: list[Effect] = []
        while True:
            page = msgspec.json.decode((await self._ask("GET", f"/effects?after={after}")).body, type=_Effects)
            if page.pushed_out > after:
                raise ControlRefused(f"effects up to {page.pushed_out} are no longer known")
            if not page.effects:
                return found
            found += page.effects
            after = found[-1].number

    async def objects(self) -> list[ObservedRelease]:
        """All that there is, at sites that are away too."""
        return msgspec.json.decode((await self._ask("GET", "/objects")).body, type=list[ObservedRelease])

    # What a hand does

    async def make(self, name: str, **fields: Any) -> None:
        """Makes an object by hand (`hand.Made`, in camel case)."""
        await self._ask("PUT", f"/objects/{name}", fields)

    async def change(self, name: str, **fields: Any) -> None:
        """Changes an object by hand (`hand.Changed`, in camel case)."""
        await self._ask("PATCH", f"/objects/{name}", fields)

    async def vanish(self, name: str) -> None:
        """Takes an object away."""
        await self._ask("DELETE", f"/objects/{name}")

    async def crash(self, name: str, **fields: Any) -> None:
        """Ends an instance (`hand.Crash`, in camel case)."""
        await self._ask("POST", f"/objects/{name}/crash", fields)

    async def _ask(self, method: str, path: str, given: object = None) -> Answer:
        body = msgspec.json.encode(given) if given is not None else b""
        answer = await self._pool.request(method, self._where + path, body, timeout_s=TIMEOUT_S)
        if answer.status >= 300:
            raise ControlRefused(f"{method} {path}: {answer.status} {answer.body[:500].decode(errors='replace')}")
        return answer


class _Effects(msgspec.Struct, frozen=True, rename="camel"):
    effects: Sequence[Effect]
    pushed_out: int
