"""What a simulated cluster can be set to: its delays, limits and failures, its sites that go away, the load on it.

The same words serve both forms. A cluster that lives inside the server has them as keys of `Cluster.configuration`; one
that a process of its own serves has them set there, for a real backend's faults are not for its client to choose, and
its configuration only says how to reach it. Keys are these fields in camel case. docs/simulated.md describes them for
users; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

import msgspec

from drivers.port import InvalidConfiguration
from drivers.simulated.loads import Load
from drivers.simulated.quotas import Quota

DRIVER = "simulated"
CLUSTER_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}"
"""What a cluster may be called at a backend; it is a part of paths."""
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=600_000)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
Names = Annotated[list[Word], msgspec.Meta(max_length=10_000)]
Limit = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]


class Faults(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is the same at every site, unless `sites` has something else for it."""

    seed: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] = 0
    """Faults are a function of the seed, the site and the number of the call to that site."""
    latency_ms: Milliseconds = 0
    """How long each call takes."""
    latency_jitter_ms: Milliseconds = 0
    """At most so much is added to each call."""
    ready_after_ms: Milliseconds = 0
    """How long a replica takes to be ready."""
    ready_jitter_ms: Milliseconds = 0
    """At most so much is added for each replica."""
    unready_replicas: Limit = 0
    """So many new replicas of each object are never ready."""
    failure_rate: Share = 0
    """The share of calls that are refused for now, with nothing done."""
    lost_reply_rate: Share = 0
    """The share of calls whose reply is lost after they were done."""
    outage_rate: Share = 0
    """The share of outage windows in which a site is away."""
    outage_calls: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 20
    """The length of an outage window in calls to the site; looking at a site is a call too."""
    calls_at_once: Limit = 0
    """Calls beyond so many at the same time to a site are refused for now; 0: any number."""
    calls_per_second: Rate = 0
    """Calls beyond so many a second to a site are refused for now; 0: any number."""


class Behaviour(Faults, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How a simulated cluster behaves. Everything left out is quick and never fails."""

    away_sites: Names = []
    """Ids or names of sites that are away now."""
    away_nodes: Names = []
    """Ids or names of nodes that are away now."""
    failing_sites: Names = []
    """Ids or names of sites that refuse every call for now, with nothing done."""
    hanging_sites: Names = []
    """Ids or names of sites whose calls are never answered, with nothing done."""
    hangs: bool = False
    """Whether nothing at all is answered, observation included."""
    rejected_references: Names = []
    """Artifact references that no site takes: a permanent error."""
    unpullable_references: Names = []
    """Artifact references that every site takes and whose replicas never run."""
    quotas: Annotated[list[Quota], msgspec.Meta(max_length=10_000)] = []
    """What tenants may have at sites."""
    loads: Annotated[list[Load], msgspec.Meta(max_length=10_000)] = []
    """What is asked of what runs, for samples."""
    cluster_calls_at_once: Limit = 0
    """Calls beyond so many at the same time to the cluster are refused for now; 0: any number."""
    cluster_calls_per_second: Rate = 0
    """Calls beyond so many a second to the cluster are refused for now; 0: any number."""
    clock_offset_ms: Annotated[float, msgspec.Meta(ge=-(2**40), le=2**40)] = 0
    """How far the cluster's clock is ahead of the machine's."""
    observe_every_ms: Annotated[float, msgspec.Meta(ge=10, le=60_000)] = 1_000
    """How often sites and nodes are looked at when nothing else changes."""
    sites: Annotated[dict[Word, dict[str, Any]], msgspec.Meta(max_length=10_000)] = {}
    """What is different at single sites, by id or name: the settings from `seed` to `callsPerSecond`."""


class SimulatedSettings(Behaviour, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The configuration of a simulated cluster in the graph."""

    cluster: Annotated[str, msgspec.Meta(pattern=f"^{CLUSTER_NAME}$")] | None = None
    """What the cluster is called at its backend; the cluster's id when not given."""
    connections: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 64
    """Calls to the backend at the same time; further ones wait for their turn."""


Set = TypeVar("Set", bound=Behaviour)
BEHAVIOUR_KEYS: Final = frozenset(Behaviour.__struct_encode_fields__)
_FAULT_KEYS: Final = dict(zip(Faults.__struct_fields__, Faults.__struct_encode_fields__, strict=True))


def settings_of(configuration: Mapping[str, Any]) -> SimulatedSettings:
    """The settings in a cluster's configuration. Raises InvalidConfiguration with the key that is wrong."""
    return _settings(configuration, SimulatedSettings)


def behaviour_of(given: Mapping[str, Any]) -> Behaviour:
    """How a cluster is to behave. Raises InvalidConfiguration with the key that is wrong."""
    return _settings(given, Behaviour)


def connection_of(configuration: Mapping[str, Any]) -> SimulatedSettings:
    """The settings of a cluster whose backend is elsewhere.

    Raises InvalidConfiguration, also for a key of the backend's behaviour: that is set at the backend.
    """
    settings = settings_of(configuration)
    for key in sorted(BEHAVIOUR_KEYS & configuration.keys()):
        raise InvalidConfiguration(
            f"{key}: a cluster with an endpoint behaves as its backend is told to",
            driver=DRIVER,
            key=key,
            remedy="set it at the backend, or take the endpoint away",
        )
    return settings


def faults_at(behaviour: Behaviour, *, site_id: str, site: str) -> Faults:
    """What holds at a site: what `sites` has under its id, else under its name, else what holds everywhere."""
    own = {**behaviour.sites.get(site, {}), **behaviour.sites.get(site_id, {})}
    return _faults(behaviour, own) if own else behaviour


def _faults(behaviour: Behaviour, own: Mapping[str, Any]) -> Faults:
    everywhere = {key: getattr(behaviour, field) for field, key in _FAULT_KEYS.items()}
    return msgspec.convert({**everywhere, **own}, Faults)


def _settings(given: Mapping[str, Any], sort: type[Set]) -> Set:
    at = ""
    try:
        settings = msgspec.convert(dict(given), sort)
        for site, own in settings.sites.items():
            at = f"sites.{site}"
            _faults(settings, own)
    except msgspec.ValidationError as problem:
        text, _, where = str(problem).partition(" - at `$")
        key = where.rstrip("`").lstrip(".")
        if not key and "unknown field" in text:
            key = text.partition("`")[2].rstrip("`")
            text = (
                "a simulated site has no such setting of its own" if at else "a simulated cluster has no such setting"
            )
        key = ".".join(part for part in (at, key) if part)
        if key:
            text = f"{key}: {text}"
        raise InvalidConfiguration(text, driver=DRIVER, key=key) from None
    return settings
