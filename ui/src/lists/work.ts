// The lists of what runs, and of the work on it.

import { t } from "../messages";
import { FINDS_NOTHING, ID, NAME, NAMES, REST, REST_OF_MADE, TENANT, type Kind } from "./columns";
import { at, type Cell, entity, instant, isRow, NONE, numeric, progress, type Row, states, text, word, yesNo } from "./values";

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

/** What each replica has, in the unit of what it follows. */
const measured = (row: Row, value: unknown): Cell => numeric(value, at(row, "policy", "metric") === "CPU_UTILIZATION" ? "%" : "1/s");

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

export const WORK = {
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
      {
        key: "displaced",
        select: "displacement { state }",
        cell: (row) => (isRow(row.displacement) ? word(row.displacement.state) : text("")),
      },
      { key: "failover", select: "failover { mode }", cell: (row) => word(at(row, "failover", "mode")), hidden: true },
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
  "failover-holds": {
    field: "failoverHolds",
    type: "FailoverHold",
    newestFirst: "CREATED_AT",
    columns: [
      {
        key: "holds",
        select: "id region { displayName name }",
        cell: (row) => ({ is: "entity", id: String(row.id), text: isRow(row.region) ? String(row.region.displayName ?? row.region.name) : t.lists.wholeNetwork }),
        names: true,
      },
      { key: "lostSites", select: "lost", cell: (row) => numeric(row.lost) },
      { key: "sites", select: "sites", cell: (row) => numeric(row.sites) },
      { key: "resumed", select: "resumedAt", cell: (row) => instant(row.resumedAt) },
      { key: "begun", select: "createdAt", cell: (row) => instant(row.createdAt), order: "CREATED_AT" },
      ID,
    ],
    filters: {},
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
        select: "subjectId subjectName subject { id displayName ... on Named { name } ... on Release { backendName } ... on Operation { kind } }",
        cell: (row) => (isRow(row.subject) ? happenedTo(row.subject) : text(row.subjectName ?? row.subjectId)),
      },
      TENANT,
    ],
    filters: { text: ["message"] },
  },
  "scaling-policies": {
    field: "scalingPolicies",
    type: "ScalingPolicy",
    columns: [
      NAME,
      { key: "deployment", select: "deployment { id name }", cell: (row) => entity(row.deployment) },
      { key: "component", select: "component", cell: (row) => text(row.component), order: "COMPONENT" },
      { key: "metric", select: "metric", cell: (row) => word(row.metric), order: "METRIC" },
      { key: "target", select: "target", cell: (row) => numeric(row.target), order: "TARGET" },
      { key: "least", select: "minReplicas", cell: (row) => numeric(row.minReplicas), order: "MIN_REPLICAS" },
      { key: "most", select: "maxReplicas", cell: (row) => numeric(row.maxReplicas), order: "MAX_REPLICAS" },
      { key: "sites", select: "sites { totalCount }", cell: (row) => numeric(at(row, "sites", "totalCount")) },
      TENANT,
      ...REST,
    ],
    filters: { text: NAMES, labels: true },
  },
  "site-scalings": {
    field: "siteScalings",
    type: "SiteScaling",
    noPage: true,
    columns: [
      { key: "site", select: "site { id name displayName }", cell: (row) => entity(row.site) },
      { key: "deployment", select: "deployment { id name }", cell: (row) => entity(row.deployment) },
      { key: "component", select: "policy { id component }", cell: (row) => entity(row.policy, "component") },
      {
        key: "ready",
        select: "release { replicas observed { readyReplicas } }",
        cell: (row) =>
          isRow(row.release) ? text(`${Number(at(row, "release", "observed", "readyReplicas") ?? 0)}/${Number(row.release.replicas ?? 0)}`) : NONE,
      },
      { key: "measured", select: "value policy { metric }", cell: (row) => measured(row, row.value), order: "VALUE" },
      { key: "target", select: "policy { target metric }", cell: (row) => measured(row, at(row, "policy", "target")) },
      { key: "desired", select: "desired", cell: (row) => numeric(row.desired), order: "DESIRED" },
      { key: "least", select: "policy { minReplicas }", cell: (row) => numeric(at(row, "policy", "minReplicas")) },
      { key: "most", select: "policy { maxReplicas }", cell: (row) => numeric(at(row, "policy", "maxReplicas")) },
      { key: "limit", select: "limitedBy", cell: (row) => (row.limitedBy === "NONE" ? NONE : word(row.limitedBy)), order: "LIMITED_BY" },
      { key: "message", select: "message", cell: (row) => text(row.message), order: "MESSAGE" },
      {
        key: "change",
        select: "lastChange { before after }",
        cell: (row) => (isRow(row.lastChange) ? text(`${Number(row.lastChange.before)} → ${Number(row.lastChange.after)}`) : NONE),
      },
      { key: "changed", select: "lastChange { at }", cell: (row) => instant(at(row, "lastChange", "at")) },
      { key: "why", select: "lastChange { why }", cell: (row) => text(at(row, "lastChange", "why")) },
      { key: "stale", select: "staleSince", cell: (row) => instant(row.staleSince), order: "STALE_SINCE" },
      TENANT,
      ...REST_OF_MADE,
    ],
    filters: { place: "at-site" },
  },
} satisfies Readonly<Record<string, Kind>>;
