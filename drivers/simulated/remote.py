"""A connection to a simulated cluster that a process of its own serves: what a driver of a real backend does.

The backend checks the fence, remembers and is cut off; here are only the wire, the turn of each call and what an answer
means. A call that is given up closes its connection, and the backend may finish it all the same: that is what the fence
is for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from drivers.port import (
    Applied,
    BackendUnreachable,
    ClusterAccess,
    Cursor,
    DriverProblem,
    InvalidConfiguration,
    Inventory,
    Observation,
    ObservedInstance,
    Permanent,
    ReleaseWork,
    RemovalWork,
    Removed,
    Sample,
    Unreachable,
)
from drivers.secret_values import revealed
from drivers.simulated.client import Address, Answer, Heard, HttpPool, NoAnswer, NoConnection
from drivers.simulated.settings import DRIVER, SimulatedSettings
from drivers.simulated.wire import (
    CALLER,
    INVENTORY_WANTED,
    AskSamples,
    Ensure,
    Observe,
    Problem,
    PushedInventory,
    meant,
)
from graph.identifiers import new_ulid
from graph.kinds import InstanceStatus, Node

T = TypeVar("T")
CALL_TIMEOUT_S = 120.0
"""No call takes longer; who calls usually waits less."""
OBSERVE_TIMEOUT_S = 600.0
"""An observation that is large takes as long as it takes: who asks gives up what says nothing."""
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
DEFAULT_PORT = 8790


def address_of(endpoint: str) -> Address:
    """Where `unix:/PATH` or `http://127.0.0.1:PORT` is. Raises InvalidConfiguration for what is not on this machine."""
    scheme, _, path = endpoint.partition(":")
    if scheme == "unix" and path.startswith("/"):
        return Address(path=Path(path))
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port or DEFAULT_PORT
    except ValueError:
        parts, host, port = urlsplit(""), "", 0
    plain = not (parts.username or parts.password or parts.query or parts.fragment or parts.path.strip("/"))
    if parts.scheme != "http" or host not in LOOPBACK or not plain:
        raise InvalidConfiguration(
            f"a simulated backend is not at {endpoint!r}",
            driver=DRIVER,
            key="",
            remedy="give unix:/PATH/OF/SOCKET or http://127.0.0.1:PORT, a backend on this machine",
        )
    return Address(host=host, port=port)


class RemoteBackend:
    """What `drivers.port.SamplingBackend` asks for, over HTTP. Open it before use, and close it."""

    def __init__(
        self, access: ClusterAccess, settings: SimulatedSettings, address: Address, *, token: str | None
    ) -> None:
        self._owner = access.id
        self._heard = access.heard
        self._secrets = access.workload_secrets
        self._inventory = _Inventory(access.id, access.inventory)
        self._nodes = _SiteNodes(access.id, access.inventory)
        self._where = f"/v1/clusters/{settings.cluster or access.id}"
        headers = {"content-type": "application/json", CALLER: new_ulid()}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        # One more, for the observation that is always under way.
        self._pool = HttpPool(address, connections=settings.connections + 1, headers=headers)

    async def open(self) -> None:
        """Asks for the cluster, and tells it what it is to observe. Raises DriverProblem."""
        await self._push()

    def close(self) -> None:
        """Closes all connections. What is still asked is not told as done."""
        self._pool.close()

    async def ensure(self, work: ReleaseWork) -> Applied:
        """As the port says."""
        # Looked up as a backend would need them, and dropped: what goes over the wire has the references.
        await revealed(work, self._secrets)
        asked = Ensure(work=work, nodes=self._nodes.at(work.site_id))
        return await self._call("ensure", asked, _APPLIED, name=work.name)

    async def remove(self, work: RemovalWork) -> Removed:
        """As the port says."""
        return await self._call("remove", work, _REMOVED, name=work.name)

    async def observe(self, *, after: Cursor | None) -> Observation:
        """As the port says; how long it waits for a change is the backend's."""
        if self._inventory.changed():
            await self._push()
        # Another one may have told the backend otherwise meanwhile: the last word counts, and is given once more.
        for _ in range(2):
            nodes = self._nodes.to_tell()
            asked = Observe(owner=self._owner, inventory=self._inventory.digest, after=after, nodes=nodes)
            answer = await self._ask("POST", "/observe", asked, timeout_s=OBSERVE_TIMEOUT_S, heard=self._heard)
            if answer.status != INVENTORY_WANTED:
                break
            self._nodes.told.clear()
            await self._push()
        observation = self._meaning(answer, _OBSERVATION)
        self._nodes.told.update(nodes)
        self._nodes.learn(observation)
        return observation

    async def samples(self, *, names: Sequence[str] = ()) -> list[Sample]:
        """As the port says."""
        return await self._call("samples", AskSamples(names=list(names)), _SAMPLES)

    async def _push(self) -> None:
        answer = await self._ask(
            "PUT", "/inventory", self._inventory.read(), timeout_s=CALL_TIMEOUT_S, heard=self._heard
        )
        if answer.status != 204:
            self._meaning(answer, _OBSERVATION)

    async def _call(self, verb: str, given: msgspec.Struct, decoder: msgspec.json.Decoder[T], *, name: str = "") -> T:
        answer = await self._ask("POST", f"/{verb}", given, timeout_s=CALL_TIMEOUT_S)
        return self._meaning(answer, decoder, name=name)

    async def _ask(
        self, method: str, path: str, given: msgspec.Struct, *, timeout_s: float, heard: Heard = None
    ) -> Answer:
        body = _ENCODER.encode(given)
        try:
            return await self._pool.request(method, self._where + path, body, timeout_s=timeout_s, heard=heard)
        except NoConnection as problem:
            raise BackendUnreachable(f"the simulated backend does not answer: {problem}") from None
        except NoAnswer as problem:
            raise Unreachable(f"the simulated backend does not answer: {problem}") from None

    def _meaning(self, answer: Answer, decoder: msgspec.json.Decoder[T], *, name: str = "") -> T:
        try:
            if answer.status == 200:
                return decoder.decode(answer.body)
            raise meant(_PROBLEM.decode(answer.body), name=name)
        except msgspec.DecodeError:
            # The body is not told: it may be anything of anybody.
            raise DriverProblem(
                f"{self._pool.address} answered {answer.status}, as no simulated backend does"
            ) from None


class _Inventory:
    """What is pushed, made anew when its stamp changed."""

    def __init__(self, owner: str, source: Inventory) -> None:
        self._owner = owner
        self._source = source
        self._stamp: int | None = None
        self.digest = ""

    def changed(self) -> bool:
        return self._source.stamp != self._stamp

    def read(self) -> PushedInventory:
        self._stamp = self._source.stamp
        sites, nodes = dict(self._source.sites()), dict(self._source.nodes())
        content = msgspec.json.encode((sites, nodes), order="sorted")
        self.digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        return PushedInventory(owner=self._owner, digest=self.digest, sites=sites, nodes=nodes)


class _SiteNodes:
    """The nodes of sites as a scheduler reads them: told with each object, and again while replicas wait for one."""

    def __init__(self, owner: str, source: Inventory) -> None:
        self._owner = owner
        self._source = source
        self._waiting: dict[str, str] = {}
        """The sites of objects with replicas that no node takes, by the objects' names."""
        self.told: dict[str, list[Node]] = {}
        """What the backend was told with an observation, by site id."""

    def at(self, site_id: str) -> list[Node]:
        return [
            Node(
                id=one.id,
                name=one.name,
                labels=one.labels,
                site_id=one.site_id,
                arch=one.arch,
                capacity=one.capacity,
                allocatable=one.allocatable,
                taints=one.taints,
                schedulable=one.schedulable,
            )
            for one in self._source.nodes_at(site_id)
        ]

    def to_tell(self) -> dict[str, list[Node]]:
        """What the backend is to know of sites where replicas wait, as far as it was told otherwise."""
        now = {site_id: self.at(site_id) for site_id in dict.fromkeys(self._waiting.values())}
        return {site_id: nodes for site_id, nodes in now.items() if self.told.get(site_id) != nodes}

    def learn(self, observation: Observation) -> None:
        """Takes in where replicas wait."""
        if observation.complete:
            self._waiting.clear()
        for name in observation.gone:
            self._waiting.pop(name, None)
        for one in observation.releases:
            if one.owner == self._owner and any(_waits_for_node(each) for each in one.instances):
                self._waiting[one.name] = one.site_id
            else:
                self._waiting.pop(one.name, None)
        waiting = frozenset(self._waiting.values())
        self.told = {site_id: nodes for site_id, nodes in self.told.items() if site_id in waiting}


def _waits_for_node(one: ObservedInstance) -> bool:
    return one.node_id is None and one.status is InstanceStatus.PENDING and one.message is not None


async def token_of(access: ClusterAccess) -> str | None:
    """The token in the cluster's credentials, under `token`; none: it has no credentials. Raises Permanent."""
    if access.credentials_id is None:
        return None
    token = (await access.secrets(access.credentials_id)).get("token", "").strip()
    if not token or not all("!" <= letter <= "~" for letter in token):
        raise Permanent(f"the credentials of cluster {access.name} have no token that a header takes, under `token`")
    return token


_ENCODER: Final = msgspec.json.Encoder()
_APPLIED: Final = msgspec.json.Decoder(Applied)
_REMOVED: Final = msgspec.json.Decoder(Removed)
_OBSERVATION: Final = msgspec.json.Decoder(Observation)
_SAMPLES: Final = msgspec.json.Decoder(list[Sample])
_PROBLEM: Final = msgspec.json.Decoder(Problem)
