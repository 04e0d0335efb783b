"""What a driver is, what it is handed, and what it answers.

A driver observes, applies and removes; deciding is the lifecycle's, the same for every driver. Three rules make any call
repeatable, whoever makes it and however often:

- **Names are identity.** `ReleaseWork.name` is what the backend object is called. `ensure` finds what is there under it and
  brings it to what is wanted; a second call with the same work changes nothing.
- **The generation is the fence.** A backend object that holds a newer generation refuses an older one with
  `StaleGeneration`, also when it was removed meanwhile, as far as the backend can remember that. It says what was asked
  and not what is there: `ensure` looks at the object itself, also where it has the generation already.
- **Whose it is** stands on each object (`owner`): a driver reports what others made only as foreign use.

`tests/drivers/conformance` is this port's meaning in tests and runs over every driver.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

import msgspec

from drivers.clock import Clock
from drivers.pod_terms import PodTerms
from graph.kinds import Artifact, ArtifactType, InstanceStatus, Node
from graph.refusal import InvalidInput, Refusal
from graph.values import Resources

# What a driver is handed


class ReleaseWork(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be at a site under one name."""

    name: str
    """At most 53 characters of `a-z 0-9 -`; the object's name on the backend."""
    owner: str
    """Whose object it is: the id of the Cluster in the graph. Kept on the object."""
    release_id: str
    deployment_id: str
    tenant_id: str
    component: str
    """The component's name."""
    site_id: str
    site: str
    """The site's name."""
    generation: int
    replicas: int
    artifact: Artifact
    resources: Resources
    """What one replica needs."""
    assignments: Mapping[str, int] = {}
    """Replicas by node id; empty: anywhere at the site."""
    nodes: Mapping[str, str] = {}
    """The names of the nodes in `assignments` by id."""
    pods: PodTerms = PodTerms()
    """Which nodes its replicas may run on, those in `assignments` included."""
    configuration: Mapping[str, Any] = {}
    """The values that it runs with. Secrets in it are references: `drivers.secret_values` gives what they stand for."""


class RemovalWork(msgspec.Struct, frozen=True, kw_only=True):
    """What is no longer to be at a site."""

    name: str
    owner: str
    site_id: str
    site: str
    generation: int
    """Of the wish to remove: an object of a newer generation stays."""


class Inventory(Protocol):
    """The sites and nodes of a cluster as the graph has them, for drivers that report on them by id."""

    @property
    def stamp(self) -> int:
        """Rises when a site or node came, went or changed its name; else what was read before still holds."""
        ...

    def sites(self) -> Mapping[str, str]:
        """Names by id of the sites that the cluster serves."""
        ...

    def nodes(self) -> Mapping[str, tuple[str, str]]:
        """(name, site id) by id of the nodes that the cluster controls."""
        ...

    def nodes_at(self, site_id: str) -> Sequence[Node]:
        """The nodes of a site that the cluster may use, as they are now, by ascending id."""
        ...


class NoInventory:
    """An inventory of nothing."""

    stamp = 0

    def sites(self) -> Mapping[str, str]:
        """No sites."""
        return {}

    def nodes(self) -> Mapping[str, tuple[str, str]]:
        """No nodes."""
        return {}

    def nodes_at(self, site_id: str) -> Sequence[Node]:
        """No nodes."""
        return ()


Secrets = Callable[[str], Awaitable[Mapping[str, str]]]
"""Gives a secret's values by its id when they are needed; they are never kept on a value of the graph."""


async def no_secrets(secret_id: str) -> Mapping[str, str]:
    """For where there are no secrets: knows none."""
    raise Permanent(f"the secret {secret_id} cannot be read here")


WorkloadSecrets = Callable[[str, str], Awaitable[Mapping[str, str]]]
"""Gives the values of a secret, by its id, to a workload of a tenant, by the tenant's id: `drivers.secret_values` asks it.

Raises Permanent when the tenant has no such secret, Retryable when it cannot be read now.
"""


async def no_workload_secrets(secret_id: str, tenant_id: str) -> Mapping[str, str]:
    """For where there are no secrets: knows none."""
    raise Permanent(f"the secret {secret_id} cannot be read here")


class PackageFiles(Protocol):
    """The packages that are kept here, for drivers that apply what is in them."""

    def file(self, reference: str, *, tenant_id: str) -> AbstractAsyncContextManager[BinaryIO]:
        """The bytes of the package that a tenant's artifact refers to (`package:sha256:…`), as a file at its beginning.

        They are what the digest says, were opened once, and are still a stranger's: what is read of them is read by
        `drivers.packages.opening`. The file has no name and is gone when the context ends.
        Raises Permanent when there is no such package, Retryable when packages cannot be read now.
        """
        ...


class NoPackages:
    """For where no packages are kept: knows none."""

    def file(self, reference: str, *, tenant_id: str) -> AbstractAsyncContextManager[BinaryIO]:
        """Refuses."""
        raise Permanent(f"the package {reference} cannot be read here")


def _ignore() -> None:
    """Nobody listens."""


WATCH_S = 10.0
"""How long an observation may wait for a change, seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterAccess:
    """A control plane as its driver is handed it."""

    id: str
    name: str
    endpoint: str | None
    configuration: Mapping[str, Any]
    """`Cluster.configuration`, checked by the driver's own `check`."""
    clock: Clock
    credentials_id: str | None = None
    secrets: Secrets = no_secrets
    workload_secrets: WorkloadSecrets = no_workload_secrets
    inventory: Inventory = field(default_factory=NoInventory)
    packages: PackageFiles = field(default_factory=NoPackages)
    data_folder: Path | None = None
    """Where a driver may keep files of its own; none: in memory only."""
    heard: Callable[[], None] = _ignore
    """To be called, on the event loop, for each part of an answer while the connection is made and while `observe` runs: a
    page, a heartbeat. What says nothing for a while is given up, and what says something is not, however long it takes."""


# What a driver answers


class ObservedInstance(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that runs."""

    name: str
    node_id: str | None
    generation: int
    status: InstanceStatus
    message: str | None = None


class ObservedRelease(msgspec.Struct, frozen=True, kw_only=True):
    """A backend object as it is."""

    name: str
    owner: str
    site_id: str
    generation: int
    replicas: int
    """As the object asks for them now, whether they are there yet or not."""
    ready_replicas: int
    version: int
    """The backend's number of this state of the object: rises with every change, over restarts too."""
    message: str | None = None
    drift: str | None = None
    """How it is no longer as its generation was applied to it, in words that go on from its name and hold no secret:
    `has 3 replicas, 2 were applied`. None: it is as it was applied, or the backend cannot tell.

    It is of what the object asks for, its replicas counted and all else that `ensure` wrote compared, and not of how far
    the backend is with that: a rollout under way, a replica that crashed or waits for a node, is no drift. Neither is a
    count that the package leaves to a scaler of the backend's own. An `ensure` of the same work ends it."""
    instances: Sequence[ObservedInstance] = ()


NO_ANSWER = "it does not answer"
"""Why something is not ready of which nothing else is known."""


class Condition(msgspec.Struct, frozen=True):
    """Whether a site or node answers, and why not."""

    ready: bool
    reason: str | None = None


class Cursor(msgspec.Struct, frozen=True):
    """Where an observation ended: the next one may go on from there."""

    history: str
    """Of which past the version is; another one after the backend was restored or made anew."""
    version: int


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend has, or what changed in it since a cursor."""

    cursor: Cursor
    complete: bool
    """Whether this is all that there is: what is not in it is not there, but at `unseen_sites`."""
    releases: Sequence[ObservedRelease] = ()
    gone: Mapping[str, int] = {}
    """Names of objects that are no longer there, each with the version at which it went."""
    unseen_sites: frozenset[str] = frozenset()
    """Sites that cannot be seen now: nothing is known of what is there."""
    sites: Mapping[str, Condition] = {}
    """Sites whose condition changed; all of them when complete."""
    nodes: Mapping[str, Condition] = {}
    """Nodes whose condition changed; all of them when complete."""
    foreign_use: Mapping[str, Resources] | None = None
    """By node id, what objects that are not ours take of nodes: all that is not nothing. None: as it was told last, or
    the backend cannot tell."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """The backend holds what was asked, or something newer of the same generation."""

    changed: bool
    """False when it was there already."""
    observed: ObservedRelease | None = None
    """The object as it was left, when the backend said so."""


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """The backend took the removal."""

    gone: bool
    """False while it is still ending; observation tells when it is gone."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of an object, or of one of its instances."""

    name: str
    """The object's name."""
    site_id: str
    at_ms: int
    """When, UTC milliseconds by the backend's clock: tells a new sample from an old one, and decides nothing."""
    window_ms: int = 0
    """Over how long before that it was measured; 0: at that moment, or it is not told."""
    instance: str | None = None
    """The instance's name; none: measured before it reaches any, so that it is known while none is ready."""
    node_id: str | None = None
    cpu_millicores: float | None = None
    """Thousandths of a core in use; none: not measured."""
    requests_per_second: float | None = None
    """Requests a second; none: not measured."""


# How a call fails


class DriverProblem(Exception):
    """A call that did not do what was asked. The text is shown to users: it names the thing and holds no secret."""


class Unreachable(DriverProblem):
    """The site or the backend did not answer: what was asked may or may not have happened. Tried again when it does."""


class BackendUnreachable(Unreachable):
    """The backend itself could not be reached, whatever the site: its endpoint is left alone for a while."""


class Retryable(DriverProblem):
    """The backend refused for now: a quota, a lock, an overload. Tried again later, a bounded number of times."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """When the backend thinks that another try may be worth it, in seconds; none: it did not say."""


class Permanent(DriverProblem):
    """The backend will refuse the same work every time. Not tried again until what is wanted changes."""


class StaleGeneration(DriverProblem):
    """The backend holds a newer generation than the one asked for."""

    def __init__(self, *, name: str, asked: int, held: int) -> None:
        super().__init__(f"{name} is at generation {held} on its backend, newer than {asked}")
        self.held = held


class InUseElsewhere(DriverProblem):
    """Another process talks to this backend and it takes one at a time: this process stands by."""


class InvalidConfiguration(InvalidInput):
    """A key of a cluster's configuration that its driver does not take."""

    code = "INVALID_CONFIGURATION"

    def __init__(self, message: str, *, driver: str, key: str, remedy: str | None = None) -> None:
        where = f"input.configuration.{key}" if key else "input.configuration"
        super().__init__(message, remedy=remedy or f"see the page of the {driver} driver", path=where)
        self.driver = driver
        self.key = key


class UnknownDriver(Refusal):
    """No installed driver has this name."""

    code = "UNKNOWN_DRIVER"

    def __init__(self, name: str, *, known: Sequence[str]) -> None:
        super().__init__(
            f"there is no driver {name!r}",
            remedy=f"use one of {', '.join(known) or 'none is installed'}, or install the package that brings it",
            path="input.driver",
        )
        self.name = name


# What a driver is


class Backend(Protocol):
    """A connection to one control plane. Its methods may be called at the same time, and cancelled at any await."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        """Brings the object of that name to the work. Raises DriverProblem."""
        ...

    async def remove(self, work: RemovalWork) -> Removed:
        """Removes the object of that name; nothing there is as good as removed. Raises DriverProblem."""
        ...

    async def observe(self, *, after: Cursor | None) -> Observation:
        """What there is, or what changed after a cursor; then it waits for a change, at most `WATCH_S`.

        An observation without `after`, or after a cursor of another history, is complete and does not wait. One that takes
        long to tell says that it goes on with `ClusterAccess.heard`: without a word it is given up.
        Raises DriverProblem.
        """
        ...


@runtime_checkable
class SamplingBackend(Backend, Protocol):
    """A backend that also measures what runs. Not every one does: ask with `isinstance`."""

    async def samples(self, *, names: Sequence[str] = ()) -> Sequence[Sample]:
        """The newest measurements of these objects, or of all; an instance that is not ready has none.

        Names that are not there, and objects of which nothing is measured, are left out. Raises DriverProblem.
        """
        ...


class Driver(Protocol):
    """A sort of backend."""

    @property
    def name(self) -> str:
        """What `Cluster.driver` says."""
        ...

    @property
    def artifacts(self) -> frozenset[ArtifactType]:
        """The sorts of package that it takes."""
        ...

    def check(self, configuration: Mapping[str, Any]) -> None:
        """Raises InvalidConfiguration with the key that is wrong."""
        ...

    def connect(self, access: ClusterAccess) -> AbstractAsyncContextManager[Backend]:
        """A connection for as long as the context is open.

        Raises InvalidConfiguration, InUseElsewhere or another DriverProblem when it cannot be made.
        """
        ...
