// The lists of places, machines and the links between them.

import { FINDS_NOTHING, NAME, NAMES, REST, TENANT, type Kind } from "./columns";
import { at, bytes, cores, entity, list, numeric, states, text, word } from "./values";

/** Health as a state: what is well and takes no new work is cordoned, as in the picture. */
const health = (key: string) =>
  key === "cordoned"
    ? { health: { eq: "READY" }, schedulable: false }
    : { health: { eq: key.toUpperCase() }, ...(key === "ready" ? { schedulable: true } : {}) };

/** A waypoint has no state: nothing runs there. */
const siteHealth = (key: string) => ({ role: { eq: "COMPUTE" }, ...health(key) });

const nodeStatus = (key: string) => {
  switch (key) {
    case "ready":
      return { status: { eq: "READY" }, schedulable: true };
    case "down":
      return { status: { eq: "NOT_READY" } };
    case "unknown":
      return { status: { eq: "UNKNOWN" } };
    case "cordoned":
      return { status: { eq: "READY" }, schedulable: false };
    default:
      return FINDS_NOTHING;
  }
};

export const NETWORK = {
  regions: {
    field: "regions",
    type: "Region",
    columns: [
      NAME,
      { key: "level", select: "level", cell: (row) => word(row.level), order: "LEVEL" },
      { key: "parent", select: "parent { id name displayName }", cell: (row) => entity(row.parent) },
      { key: "sites", select: "sites { totalCount }", cell: (row) => numeric(at(row, "sites", "totalCount")) },
      { key: "demand", select: "demand", cell: (row) => numeric(row.demand), order: "DEMAND", hidden: true },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true, place: "region" },
  },
  sites: {
    field: "sites",
    type: "Site",
    columns: [
      NAME,
      { key: "state", select: "role schedulable health { status reasons }", cell: states.site },
      { key: "tier", select: "tier", cell: (row) => word(row.tier), order: "TIER" },
      { key: "role", select: "role", cell: (row) => word(row.role), order: "ROLE" },
      { key: "region", select: "region { id name displayName }", cell: (row) => entity(row.region) },
      { key: "nodes", select: "nodes { totalCount }", cell: (row) => numeric(at(row, "nodes", "totalCount")) },
      {
        key: "reasons",
        select: "health { reasons }",
        cell: (row) => list(at(row, "health", "reasons")),
        hidden: true,
      },
      {
        key: "price",
        select: "pricePerCoreHour",
        cell: (row) => numeric(row.pricePerCoreHour),
        order: "PRICE_PER_CORE_HOUR",
        hidden: true,
      },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true, place: "site", state: siteHealth },
  },
  nodes: {
    field: "nodes",
    type: "Node",
    columns: [
      NAME,
      { key: "state", select: "status schedulable", cell: states.node, order: "STATUS" },
      { key: "site", select: "site { id name displayName }", cell: (row) => entity(row.site) },
      { key: "arch", select: "arch", cell: (row) => text(row.arch), order: "ARCH" },
      {
        key: "cpu",
        select: "capacity { cpuMillicores memoryBytes }",
        cell: (row) => cores(at(row, "capacity", "cpuMillicores")),
        unit: "cores",
      },
      { key: "memory", select: "capacity { memoryBytes }", cell: (row) => bytes(at(row, "capacity", "memoryBytes")), unit: "bytes" },
      { key: "freeCpu", select: "free { cpuMillicores memoryBytes }", cell: (row) => cores(at(row, "free", "cpuMillicores")), unit: "cores" },
      { key: "freeMemory", select: "free { memoryBytes }", cell: (row) => bytes(at(row, "free", "memoryBytes")), unit: "bytes" },
      { key: "reason", select: "statusReason", cell: (row) => text(row.statusReason), hidden: true },
      { key: "cluster", select: "cluster { id name }", cell: (row) => entity(row.cluster), hidden: true },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true, place: "at-site", state: nodeStatus },
  },
  links: {
    field: "links",
    type: "Link",
    columns: [
      { key: "from", select: "fromSite { id name displayName }", cell: (row) => entity(row.fromSite) },
      { key: "to", select: "toSite { id name displayName }", cell: (row) => entity(row.toSite) },
      { key: "state", select: "state", cell: states.link, order: "STATE" },
      { key: "latency", select: "latencyMs", cell: (row) => numeric(row.latencyMs, "ms"), order: "LATENCY_MS", unit: "ms" },
      { key: "length", select: "lengthKm", cell: (row) => numeric(row.lengthKm, "km"), order: "LENGTH_KM", unit: "km" },
      { key: "bandwidth", select: "bandwidthMbps", cell: (row) => numeric(row.bandwidthMbps, "Mbit/s"), order: "BANDWIDTH_MBPS", unit: "Mbit/s" },
      { key: "cost", select: "cost", cell: (row) => numeric(row.cost), order: "COST", hidden: true },
      TENANT,
      ...REST,
      { key: "open", select: "id", cell: (row) => (typeof row.id === "string" ? { is: "entity", id: row.id, text: row.id } : text("")) },
    ],
    filters: {
      labels: true,
      place: "at-site",
      state: (key) => (key === "ready" ? { state: { eq: "UP" } } : key === "down" ? { state: { eq: "DOWN" } } : FINDS_NOTHING),
    },
  },
  clusters: {
    field: "clusters",
    type: "Cluster",
    columns: [
      NAME,
      { key: "state", select: "schedulable health { status reasons }", cell: states.site },
      { key: "driver", select: "driver", cell: (row) => text(row.driver), order: "DRIVER" },
      { key: "endpoint", select: "endpoint", cell: (row) => text(row.endpoint), hidden: true },
      { key: "nodes", select: "nodes { totalCount }", cell: (row) => numeric(at(row, "nodes", "totalCount")) },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true, place: "at-site", state: health },
  },
} satisfies Readonly<Record<string, Kind>>;
