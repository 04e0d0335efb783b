// The lists: for each kind what is asked for, which columns it has, what they can be ordered by, and which words of the find
// expression its server-side filter knows. A test parses and validates every query made from here against the schema.

import type { ListKind } from "../dashboard/routes";
import { actor, at, bytes, type Cell, cores, entity, instant, isRow, labels, list, numeric, progress, type Row, states, text, word, yesNo } from "./values";

export interface Column {
  readonly key: string;
  /** The selection that its value is read from. */
  readonly select: string;
  readonly cell: (row: Row) => Cell;
  /** The field of the kind's order, where there is one. */
  readonly order?: string;
  /** Shown unless chosen away; others are shown when chosen. */
  readonly hidden?: boolean;
  /** Leads to the page of the row, so that the page itself does not need it. */
  readonly names?: boolean;
  /** What its number counts in a file, where no cell says so. */
  readonly unit?: Unit;
}

export type Unit = "bytes" | "cores" | "ms" | "km" | "Mbit/s";

/** Words of the find expression that become filters of the server; the rest is told to mean nothing here. */
export interface Filters {
  /** The fields of free text: `{ contains }` of one of them. What is at a site is found by that site's name too. */
  readonly text?: readonly string[];
  readonly labels?: boolean;
  /** Whether it is a place, or is at a site: words that ask something of a place. */
  readonly place?: "region" | "site" | "at-site";
  /** What a state of the picture is on this kind. */
  readonly state?: (key: string) => Readonly<Record<string, unknown>>;
}

/** A filter on no id at all: that of a state which nothing of a kind can be in. */
export const FINDS_NOTHING: Readonly<Record<string, unknown>> = { id: [] };

export interface Kind {
  readonly field: string;
  /** The type: of its filter (`SiteFilter`) and order (`SiteOrder`) too. */
  readonly type: string;
  readonly columns: readonly Column[];
  readonly filters: Filters;
  /** The field by which rows come, newest first, when no column was chosen. */
  readonly newestFirst?: "CREATED_AT" | "AT";
  /** Filed records, whose total costs a count of the store's. */
  readonly filed?: boolean;
  /** Rows that have no page of their own. */
  readonly noPage?: boolean;
}

const NAMES = ["name", "displayName"] as const;

const NAME: Column = { key: "name", select: "id name displayName", cell: (row) => entity(row), order: "NAME" };
const TENANT: Column = { key: "tenant", select: "tenant { id name }", cell: (row) => entity(row.tenant) };
const LABELS: Column = { key: "labels", select: "labels { key value }", cell: (row) => labels(row.labels) };
const CREATED: Column = { key: "created", select: "createdAt", cell: (row) => instant(row.createdAt), order: "CREATED_AT", hidden: true };
const UPDATED: Column = { key: "updated", select: "updatedAt", cell: (row) => instant(row.updatedAt), order: "UPDATED_AT", hidden: true };
const SOURCE: Column = {
  key: "source",
  select: "source { kind name }",
  cell: (row) => text([word(at(row, "source", "kind")).text, at(row, "source", "name")].filter(Boolean).join(" ")),
  hidden: true,
};
const ID: Column = { key: "id", select: "id", cell: (row) => text(row.id), order: "ID", hidden: true };
const REST = [LABELS, SOURCE, CREATED, UPDATED, ID] as const;
/** Of what the work on deployments makes: it has no labels of its own. */
const REST_OF_MADE = [{ ...LABELS, hidden: true }, SOURCE, CREATED, UPDATED, ID] as const;

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

/** Phases as states: as the column shows them. */
const deploymentPhase = (key: string) => {
  switch (key) {
    case "ready":
      return { phase: { eq: "READY" } };
    case "degraded":
      return { phase: { notIn: ["READY", "TERMINATED"] } };
    case "unknown":
      return { phase: { eq: "TERMINATED" } };
    default:
      return FINDS_NOTHING;
  }
};

const releasePhase = (key: string) => {
  switch (key) {
    case "ready":
      return { phase: { eq: "READY" } };
    case "degraded":
      return { phase: { notIn: ["READY", "QUARANTINED"] } };
    case "down":
      return { phase: { eq: "QUARANTINED" } };
    default:
      return FINDS_NOTHING;
  }
};

const instanceStatus = (key: string) => {
  const words: Readonly<Record<string, readonly string[]>> = {
    ready: ["RUNNING"],
    degraded: ["PENDING", "TERMINATING"],
    down: ["FAILED"],
    unknown: ["UNKNOWN"],
  };
  const found = words[key];
  return found ? { status: { in: found } } : FINDS_NOTHING;
};

/** What an event is about, by its name; an operation by what it does. */
function happenedTo(subject: Row): Cell {
  const cell = entity(subject, "displayName", "name", "backendName");
  return cell.is === "entity" && typeof subject.kind === "string" ? { ...cell, text: word(subject.kind).text } : cell;
}

export const KINDS: Readonly<Record<ListKind, Kind>> = {
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
  apps: {
    field: "apps",
    type: "App",
    columns: [
      NAME,
      { key: "latest", select: "latestVersion { id name }", cell: (row) => entity(row.latestVersion) },
      { key: "description", select: "description", cell: (row) => text(row.description) },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
  "app-versions": {
    field: "appVersions",
    type: "AppVersion",
    columns: [
      NAME,
      { key: "app", select: "app { id name }", cell: (row) => entity(row.app) },
      { key: "components", select: "components { totalCount }", cell: (row) => numeric(at(row, "components", "totalCount")) },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
  components: {
    field: "components",
    type: "Component",
    columns: [
      NAME,
      {
        key: "version",
        select: "appVersion { id name app { name } }",
        cell: (row) => entity(row.appVersion, "name"),
      },
      { key: "replicas", select: "replicas", cell: (row) => numeric(row.replicas), order: "REPLICAS" },
      { key: "cpu", select: "resources { cpuMillicores memoryBytes }", cell: (row) => cores(at(row, "resources", "cpuMillicores")), unit: "cores" },
      { key: "memory", select: "resources { memoryBytes }", cell: (row) => bytes(at(row, "resources", "memoryBytes")), unit: "bytes" },
      { key: "dependsOn", select: "dependsOn", cell: (row) => list(row.dependsOn) },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
  services: {
    field: "services",
    type: "Service",
    columns: [
      NAME,
      { key: "scope", select: "scope", cell: (row) => word(row.scope), order: "SCOPE" },
      { key: "site", select: "site { id name displayName }", cell: (row) => entity(row.site) },
      { key: "component", select: "component { id name }", cell: (row) => entity(row.component) },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true, place: "at-site" },
  },
  deployments: {
    field: "deployments",
    type: "Deployment",
    columns: [
      NAME,
      { key: "phase", select: "phase message", cell: (row) => states.phase(row.phase), order: "PHASE" },
      {
        key: "version",
        select: "appVersion { id name app { name } }",
        cell: (row) => {
          const cell = entity(row.appVersion, "name");
          const app = at(row, "appVersion", "app", "name");
          return cell.is === "entity" && typeof app === "string" ? { ...cell, text: `${app} ${cell.text}` } : cell;
        },
      },
      { key: "releases", select: "releases { totalCount }", cell: (row) => numeric(at(row, "releases", "totalCount")) },
      { key: "message", select: "message", cell: (row) => text(row.message) },
      { key: "number", select: "revisionNumber", cell: (row) => numeric(row.revisionNumber), order: "REVISION_NUMBER" },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true, state: deploymentPhase },
  },
  releases: {
    field: "releases",
    type: "Release",
    columns: [
      { key: "name", select: "id backendName", cell: (row) => entity(row, "backendName"), order: "BACKEND_NAME" },
      { key: "phase", select: "phase", cell: (row) => states.phase(row.phase), order: "PHASE" },
      { key: "deployment", select: "deployment { id name }", cell: (row) => entity(row.deployment) },
      { key: "component", select: "component { id name }", cell: (row) => entity(row.component) },
      { key: "site", select: "site { id name displayName }", cell: (row) => entity(row.site) },
      {
        key: "replicas",
        select: "replicas observed { readyReplicas }",
        cell: (row) => text(`${Number(at(row, "observed", "readyReplicas") ?? 0)}/${Number(row.replicas ?? 0)}`),
        order: "REPLICAS",
      },
      { key: "error", select: "error", cell: (row) => text(row.error) },
      TENANT,
      ...REST_OF_MADE,
    ],
    filters: { text: ["backendName"], place: "at-site", state: releasePhase },
  },
  instances: {
    field: "instances",
    type: "Instance",
    columns: [
      { key: "name", select: "id backendName", cell: (row) => entity(row, "backendName"), order: "BACKEND_NAME" },
      { key: "state", select: "status", cell: states.instance, order: "STATUS" },
      { key: "site", select: "site { id name displayName }", cell: (row) => entity(row.site) },
      { key: "node", select: "node { id name }", cell: (row) => entity(row.node) },
      {
        key: "release",
        select: "release { id backendName deployment { id name } }",
        cell: (row) => entity(row.release, "backendName"),
      },
      { key: "message", select: "message", cell: (row) => text(row.message) },
      TENANT,
      ...REST_OF_MADE,
    ],
    filters: { text: ["backendName"], place: "at-site", state: instanceStatus },
  },
  plans: {
    field: "plans",
    type: "Plan",
    newestFirst: "CREATED_AT",
    columns: [
      {
        key: "kind",
        select: "id kind",
        cell: (row) => ({ is: "entity", id: String(row.id), text: word(row.kind).text }),
        names: true,
      },
      { key: "status", select: "status", cell: (row) => word(row.status) },
      {
        key: "subject",
        select: "deploymentName subject { id displayName ... on Named { name } }",
        cell: (row) => (isRow(row.subject) ? entity(row.subject, "displayName", "name") : text(row.deploymentName)),
      },
      { key: "feasible", select: "feasible", cell: (row) => yesNo(row.feasible, "yes", "no") },
      { key: "steps", select: "stepCount", cell: (row) => numeric(row.stepCount) },
      { key: "moves", select: "moves", cell: (row) => numeric(row.moves), order: "MOVES" },
      { key: "stuck", select: "stuck", cell: (row) => numeric(row.stuck), order: "STUCK" },
      { key: "created", select: "createdAt", cell: (row) => instant(row.createdAt), order: "CREATED_AT" },
      { key: "expires", select: "expiresAt", cell: (row) => instant(row.expiresAt), order: "EXPIRES_AT" },
      { key: "applied", select: "appliedAt", cell: (row) => instant(row.appliedAt), hidden: true },
      TENANT,
      ID,
    ],
    filters: { labels: true },
  },
  operations: {
    field: "operations",
    type: "Operation",
    newestFirst: "CREATED_AT",
    filed: true,
    columns: [
      {
        key: "kind",
        select: "id kind",
        cell: (row) => ({ is: "entity", id: String(row.id), text: word(row.kind).text }),
        names: true,
      },
      { key: "status", select: "status", cell: (row) => states.operation(row.status) },
      { key: "progress", select: "progress { done total failed }", cell: (row) => progress(row.progress) },
      {
        key: "subject",
        select: "subject { id displayName ... on Named { name } }",
        cell: (row) => entity(row.subject, "displayName", "name"),
      },
      { key: "begun", select: "createdAt", cell: (row) => instant(row.createdAt), order: "CREATED_AT" },
      { key: "finished", select: "finishedAt", cell: (row) => instant(row.finishedAt) },
      { key: "error", select: "error { message }", cell: (row) => text(at(row, "error", "message")) },
      TENANT,
    ],
    filters: {},
  },
  events: {
    field: "events",
    type: "Event",
    newestFirst: "CREATED_AT",
    filed: true,
    noPage: true,
    columns: [
      { key: "at", select: "id createdAt", cell: (row) => instant(row.createdAt), order: "CREATED_AT" },
      { key: "type", select: "type", cell: (row) => states.event(row.type) },
      { key: "reason", select: "reason", cell: (row) => text(row.reason) },
      { key: "message", select: "message", cell: (row) => text(row.message) },
      {
        key: "subject",
        select: "subjectId subject { id displayName ... on Named { name } ... on Release { backendName } ... on Operation { kind } }",
        cell: (row) => (isRow(row.subject) ? happenedTo(row.subject) : text(row.subjectId)),
      },
      TENANT,
    ],
    filters: { text: ["message"] },
  },
  tenants: { field: "tenants", type: "Tenant", columns: [NAME, ...REST], filters: { text: NAMES, labels: true } },
  users: {
    field: "users",
    type: "User",
    columns: [
      NAME,
      { key: "email", select: "email", cell: (row) => text(row.email), order: "EMAIL" },
      { key: "disabled", select: "disabled", cell: (row) => yesNo(row.disabled, "disabled", "may sign in"), order: "DISABLED" },
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
  "service-accounts": {
    field: "serviceAccounts",
    type: "ServiceAccount",
    columns: [
      NAME,
      { key: "disabled", select: "disabled", cell: (row) => yesNo(row.disabled, "disabled", "may sign in"), order: "DISABLED" },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
  "api-tokens": {
    field: "apiTokens",
    type: "ApiToken",
    columns: [
      NAME,
      { key: "role", select: "role", cell: (row) => word(row.role), order: "ROLE" },
      { key: "owner", select: "owner { id displayName ... on Named { name } }", cell: (row) => entity(row.owner) },
      { key: "expires", select: "expiresAt", cell: (row) => instant(row.expiresAt), order: "EXPIRES_AT" },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
  "role-bindings": {
    field: "roleBindings",
    type: "RoleBinding",
    columns: [
      { key: "subject", select: "subject { id displayName ... on Named { name } }", cell: (row) => entity(row.subject) },
      { key: "role", select: "role", cell: (row) => word(row.role), order: "ROLE" },
      TENANT,
      ...REST,
      { key: "open", select: "id", cell: (row) => (typeof row.id === "string" ? { is: "entity", id: row.id, text: row.id } : text("")) },
    ],
    filters: { labels: true },
  },
  secrets: {
    field: "secrets",
    type: "Secret",
    columns: [
      NAME,
      { key: "keys", select: "keys", cell: (row) => list(row.keys) },
      { key: "version", select: "version", cell: (row) => numeric(row.version), order: "VERSION" },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
  "audit-log": {
    field: "auditLog",
    type: "AuditEntry",
    newestFirst: "AT",
    filed: true,
    noPage: true,
    columns: [
      { key: "at", select: "id at", cell: (row) => instant(row.at), order: "AT" },
      { key: "author", select: "author { name entity { id } }", cell: (row) => actor(row.author) },
      { key: "action", select: "action", cell: (row) => text(row.action) },
      { key: "outcome", select: "outcome", cell: (row) => word(row.outcome) },
      {
        key: "subject",
        select: "subjectId",
        cell: (row) => (typeof row.subjectId === "string" ? { is: "entity", id: row.subjectId, text: row.subjectId } : text("")),
      },
      { key: "changes", select: "changeCount", cell: (row) => numeric(row.changeCount) },
      { key: "address", select: "address", cell: (row) => text(row.address), hidden: true },
      TENANT,
    ],
    filters: {},
  },
};
