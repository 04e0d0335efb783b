"""What the demonstration is made of: a European backbone with machines on it, by countries, and apps to run there.

Everything is a function of the packaged topology and of constants, so that two demonstrations look alike and a second
start changes nothing. The topology has positions and no countries: which place lies in which is kept beside this
(demo_countries.json, by the topology's ids), made from the outlines of Natural Earth by ui/scripts/demo-countries.mjs.
What lies at sea is in no country. What differs from city to city (how many machines, of which sort, at what price) is
taken from a hash of the city's name rather than from chance.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from server.importers import ImportOptions, documents_of, read_network

TOPOLOGY = "topohub:backbone/europe"
NAME = "demo"
TENANT = "demo"
REGION = "Europe"
COUNTRIES = "demo_countries.json"
PRICES = {"NATIONAL": 0.03, "REGIONAL": 0.036, "METRO": 0.045, "DISTRICT": 0.06}
"""Price units for one core for one hour, before what differs from city to city."""
BANDWIDTH_MBPS = {"sea-cable": 400_000, "": 100_000}
GIB = 2**30

Doc = dict[str, Any]


def network_documents(*, prefix: str = "") -> list[Doc]:
    """The regions, sites, links, clusters and nodes; `prefix` is put before the names, when others have them already."""
    network = read_network(TOPOLOGY)
    for country, keys in countries().items():
        for key in keys:
            place = network.places.get(str(key))
            if place is not None:
                network.places[place.key] = replace(place, country=country)
    documents = documents_of(network, ImportOptions(name=NAME, region=prefix + REGION, prefix=prefix))
    served: dict[str, list[str]] = defaultdict(list)
    nodes: list[Doc] = []
    for document in documents:
        spec, name = document["spec"], document["metadata"]["name"]
        if document["kind"] == "Link":
            sort = document["metadata"].get("labels", {}).get("type", "")
            spec["bandwidthMbps"] = BANDWIDTH_MBPS[sort]
        if document["kind"] != "Site" or spec["role"] != "COMPUTE":
            continue
        tier = spec["tier"] = _tier(spec["tier"], name)
        spec["pricePerCoreHour"] = round(PRICES[tier] * (0.8 + 0.4 * _share(name, "price")), 4)
        if tier in ("METRO", "DISTRICT") and _share(name, "profile") > 0.9:
            document["metadata"].setdefault("labels", {})["profile"] = "dense"
        cluster = prefix + _cluster_of(spec["position"]["longitude"])
        served[cluster].append(name)
        nodes += _nodes(name, tier, cluster)
    clusters = [_cluster(name, sites, at) for at, (name, sites) in enumerate(sorted(served.items()))]
    return [*documents, *clusters, *nodes]


def countries() -> dict[str, list[int]]:
    """The places of each country, by their ids in the topology."""
    text = importlib.resources.files("server").joinpath(COUNTRIES).read_text(encoding="utf-8")
    found: dict[str, list[int]] = json.loads(text)
    return found


def app_documents(*, tenant: str = TENANT) -> list[Doc]:
    """The tenant and three apps with their versions, components and services."""
    return [
        {"kind": "Tenant", "metadata": {"name": tenant, "displayName": "Demonstration"}},
        *_app(tenant, "video", "Takes in live streams and prepares them for viewers near by."),
        *_version(tenant, "video", "2.3", _VIDEO),
        *_app(tenant, "iot-gateway", "Collects what sensors of a city send."),
        *_version(tenant, "iot-gateway", "1.0", _GATEWAY),
        *_app(tenant, "arena", "A game that must answer within a few milliseconds."),
        *_version(tenant, "arena", "5.1", _ARENA),
        *_version(tenant, "arena", "5.2", _ARENA),
    ]


DEPLOYMENTS: dict[str, Doc] = {
    "video": {
        "version": "video/2.3",
        "places": {"Brussels": 8.0, "Lyon": 8.0, "München": 8.0},
        "policy": {"sites": {"tiers": ["NATIONAL", "REGIONAL", "METRO"]}, "min_sites": 2},
        "failover": {"mode": "PROPOSE", "toleration_seconds": 30},
    },
    "iot-gateway": {
        "version": "iot-gateway/1.0",
        "places": {},
        "policy": {"sites": {"labels": "profile=dense"}, "everywhere": True, "max_sites": 24},
    },
    "arena": {
        "version": "arena/5.1",
        "places": {"Vienna": 5.0, "Milano": 5.0, "Lille": 5.0, "Stockholm": 5.0, "Zaragoza": 5.0},
        "policy": {},
        "failover": {"mode": "APPLY", "toleration_seconds": 20},
    },
}
"""The deployments by name: their version, the places with the most latency in ms, the rest of their policies, and what is
done when they lose a place: what says nothing of it waits.
"""

_VIDEO: list[Doc] = [
    {
        "name": "ingest",
        "reference": "registry.example/video/ingest:2.3",
        "resources": {"cpuMillicores": 2_000, "memoryBytes": 4 * GIB},
        "service": {"name": "rtmp", "port": 1935, "scope": "CROSS_SITE"},
    },
    {
        "name": "transcode",
        "reference": "registry.example/video/transcode:2.3",
        "resources": {
            "cpuMillicores": 4_000,
            "memoryBytes": 8 * GIB,
            "accelerators": [{"model": "nvidia-l4", "count": 1}],
        },
        "dependsOn": ["ingest"],
        "architectures": ["amd64"],
        "service": {"name": "hls", "port": 8080, "scope": "SITE"},
    },
]
_GATEWAY: list[Doc] = [
    {
        "name": "broker",
        "reference": "registry.example/iot/broker:1.0",
        "resources": {"cpuMillicores": 500, "memoryBytes": GIB // 2},
        "service": {"name": "mqtt", "port": 1883, "scope": "SITE"},
    }
]
_ARENA: list[Doc] = [
    {
        "name": "match",
        "reference": "registry.example/arena/match:5",
        "resources": {"cpuMillicores": 1_500, "memoryBytes": 2 * GIB},
        "replicas": 2,
        "service": {"name": "lobby", "port": 443, "scope": "CROSS_SITE"},
    },
    {
        "name": "relay",
        "reference": "registry.example/arena/relay:5",
        "resources": {"cpuMillicores": 750, "memoryBytes": GIB},
        "dependsOn": ["match"],
        "service": {"name": "play", "port": 7777, "scope": "SITE", "protocol": "UDP"},
    },
]


def _share(*words: str) -> float:
    """A number from 0 to 1 that only depends on the words."""
    return int.from_bytes(hashlib.blake2b("/".join(words).encode(), digest_size=6).digest(), "big") / 2**48


def _tier(by_degree: str, name: str) -> str:
    """A tier less for some of the cities that have as many links, so that not all are alike."""
    return "REGIONAL" if by_degree == "METRO" and _share(name, "tier") > 0.8 else by_degree


def _cluster_of(longitude: float) -> str:
    return "west" if longitude < 5 else "centre" if longitude < 18 else "east"


def _cluster(name: str, sites: list[str], seed: int) -> Doc:
    configuration = {
        "seed": seed,
        "latencyMs": 30,
        "latencyJitterMs": 60,
        "readyAfterMs": 1_200,
        "readyJitterMs": 2_500,
        "failureRate": 0.02,
        "observeEveryMs": 1_000,
    }
    spec = {"driver": "simulated", "sites": sites, "configuration": configuration}
    return {"kind": "Cluster", "metadata": {"name": name}, "spec": spec}


def _nodes(site: str, tier: str, cluster: str) -> Iterator[Doc]:
    """The machines of a city, by its tier."""
    by_tier: dict[str, list[tuple[str, int, int, str | None]]] = {
        "NATIONAL": [("amd64", 64, 256, None), ("amd64", 64, 256, "nvidia-l4"), ("arm64", 64, 128, None)],
        "REGIONAL": [("amd64", 32, 128, None), ("arm64", 32, 64, None)],
        "METRO": [("amd64", 16, 64, None), ("arm64", 16, 32, None)],
        "DISTRICT": [("arm64" if _share(site, "arch") > 0.6 else "amd64", 8, 16, None)],
    }
    machines = by_tier[tier]
    if tier in ("REGIONAL", "METRO") and _share(site, "gpu") > 0.6:
        machines = [*machines, ("amd64", 32, 128, "nvidia-l4")]
    for number, (arch, cores, memory, gpu) in enumerate(machines, 1):
        capacity: Doc = {
            "cpuMillicores": cores * 1000,
            "memoryBytes": memory * GIB,
            "storageBytes": memory * 8 * GIB,
        }
        if gpu is not None:
            capacity["accelerators"] = [{"model": gpu, "count": 2}]
        yield {
            "kind": "Node",
            "metadata": {"name": f"{site}-{number}", "labels": {"size": "big" if cores >= 32 else "small"}},
            "spec": {"site": site, "cluster": cluster, "arch": arch, "capacity": capacity},
        }


def _app(tenant: str, name: str, description: str) -> list[Doc]:
    return [{"kind": "App", "metadata": {"name": name, "tenant": tenant}, "spec": {"description": description}}]


def _version(tenant: str, app: str, version: str, components: list[Doc]) -> Iterator[Doc]:
    yield {"kind": "AppVersion", "metadata": {"name": version, "tenant": tenant}, "spec": {"app": app}}
    for one in components:
        reference = f"{one['reference']}-{version}" if app == "arena" else one["reference"]
        spec: Doc = {
            "appVersion": f"{app}/{version}",
            "artifact": {"type": "CONTAINER_IMAGE", "reference": reference},
            "resources": one["resources"],
        }
        spec |= {key: one[key] for key in ("replicas", "dependsOn", "architectures") if key in one}
        yield {"kind": "Component", "metadata": {"name": one["name"], "tenant": tenant}, "spec": spec}
        service = one["service"]
        port = {"name": service["name"], "port": service["port"], "protocol": service.get("protocol", "TCP")}
        yield {
            "kind": "Service",
            "metadata": {"name": service["name"], "tenant": tenant},
            "spec": {"component": f"{app}/{version}/{one['name']}", "ports": [port], "scope": service["scope"]},
        }
