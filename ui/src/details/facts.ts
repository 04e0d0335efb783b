// The facts of one thing: the columns of its kind's list, and what only its own page shows. Desired and observed stand
// beside each other where a kind has both.

import type { Column, Kind } from "../lists/columns";
import { KINDS } from "../lists/kinds";
import { actor, at, bytes, type Cell, cores, entity, instant, isRow, list, NONE, numeric, type Row, text, word, yesNo } from "../lists/values";
import { t } from "../messages";
import { DEPLOYMENT_PAIRS } from "./deploymentPairs";

/** A fact in two halves: what is wanted, and what was observed. */
export interface Pair {
  readonly key: string;
  readonly select: string;
  /** Nothing where it is not for this one: a waypoint takes no work at all. */
  readonly desired: (row: Row) => Cell;
  readonly observed: (row: Row) => Cell;
  /** Whether what was observed is as desired; by their words where it is not given, null where neither can be said. */
  readonly same?: (row: Row) => boolean | null;
}

export interface Facts {
  readonly type: string;
  readonly columns: readonly Column[];
  readonly pairs: readonly Pair[];
}

const external: Column = {
  key: "external",
  select: "external { system id }",
  cell: (row) => (isRow(row.external) ? text(`${String(row.external.system)}: ${String(row.external.id)}`) : NONE),
};

const resources = (key: string): readonly Column[] => [
  { key: `${key}Cpu`, select: `${key} { cpuMillicores memoryBytes storageBytes accelerators { model count } }`, cell: (row) => cores(at(row, key, "cpuMillicores")) },
  { key: `${key}Memory`, select: `${key} { memoryBytes }`, cell: (row) => bytes(at(row, key, "memoryBytes")) },
  { key: `${key}Storage`, select: `${key} { storageBytes }`, cell: (row) => bytes(at(row, key, "storageBytes")) },
  {
    key: `${key}Accelerators`,
    select: `${key} { accelerators { model count } }`,
    cell: (row) => {
      const found = at(row, key, "accelerators");
      return Array.isArray(found) ? list(found.filter(isRow).map((each) => `${Number(each.count)} × ${String(each.model)}`)) : NONE;
    },
  },
];

const reasons: Column = { key: "reasons", select: "health { reasons }", cell: (row) => list(at(row, "health", "reasons")) };
const observedAt: Column = {
  key: "observedAt",
  select: "health { observedAt }",
  cell: (row) => instant(at(row, "health", "observedAt")),
};

/** What a type's page has beyond its list's columns. */
const MORE: Readonly<Record<string, readonly Column[]>> = {
  Site: [
    reasons,
    observedAt,
    {
      key: "position",
      select: "position { longitude latitude }",
      cell: (row) =>
        isRow(row.position) ? text(`${Number(row.position.latitude).toFixed(4)}°, ${Number(row.position.longitude).toFixed(4)}°`) : NONE,
    },
  ],
  Cluster: [reasons, observedAt],
  Node: [
    { key: "reason", select: "statusReason", cell: (row) => text(row.statusReason) },
    ...resources("capacity").slice(2),
    {
      key: "taints",
      select: "taints { key value effect }",
      cell: (row) =>
        Array.isArray(row.taints)
          ? list(row.taints.filter(isRow).map((taint) => `${String(taint.key)}=${String(taint.value ?? "")}:${String(taint.effect)}`))
          : NONE,
    },
  ],
  Component: [
    { key: "artifact", select: "artifact { type reference digest }", cell: (row) => text(at(row, "artifact", "reference")) },
    { key: "architectures", select: "architectures", cell: (row) => list(row.architectures) },
    { key: "nodeSelector", select: "nodeSelector", cell: (row) => text(row.nodeSelector) },
  ],
  AppVersion: [{ key: "releaseNotes", select: "releaseNotes", cell: (row) => text(row.releaseNotes) }],
  Deployment: [
    { key: "good", select: "good { revisionNumber }", cell: (row) => numeric(at(row, "good", "revisionNumber")) },
    { key: "generation", select: "generation", cell: (row) => numeric(row.generation) },
    { key: "operation", select: "operation { id kind status }", cell: (row) => operation(row.operation) },
  ],
  Release: [
    { key: "attempts", select: "attempts failures", cell: (row) => numeric(row.attempts) },
    { key: "failures", select: "failures", cell: (row) => numeric(row.failures) },
    { key: "due", select: "dueAt", cell: (row) => instant(row.dueAt) },
    { key: "cluster", select: "cluster { id name }", cell: (row) => entity(row.cluster) },
    { key: "observedMessage", select: "observed { message observedAt }", cell: (row) => text(at(row, "observed", "message")) },
    { key: "observedAt", select: "observed { observedAt }", cell: (row) => instant(at(row, "observed", "observedAt")) },
  ],
  Plan: [
    { key: "author", select: "author { name entity { id } }", cell: (row) => actor(row.author) },
    { key: "plannedAt", select: "plannedAtRevision", cell: (row) => numeric(row.plannedAtRevision) },
    { key: "version", select: "appVersion { id name app { name } }", cell: (row) => entity(row.appVersion) },
    { key: "applied", select: "appliedAt", cell: (row) => instant(row.appliedAt) },
  ],
  Operation: [
    { key: "remedy", select: "error { remedy code }", cell: (row) => text(at(row, "error", "remedy")) },
    { key: "requestedBy", select: "requestedBy { name entity { id } }", cell: (row) => actor(row.requestedBy) },
  ],
};

function operation(value: unknown): Cell {
  if (!isRow(value) || typeof value.id !== "string") return NONE;
  return { is: "entity", id: value.id, text: `${word(value.kind).text}, ${word(value.status).text}` };
}

/** What takes work is to be ready for it. One that is cordoned may be as it likes, and a waypoint takes none. */
const work = (select: string, status: (row: Row) => unknown): Pair => ({
  key: "state",
  select: `schedulable ${select}`,
  desired: (row) => (row.role === "TRANSIT" ? NONE : yesNo(row.schedulable, t.details.ready, t.details.cordoned)),
  observed: (row) => word(status(row)),
  same: (row) => (row.schedulable === true && status(row) !== "UNKNOWN" ? status(row) === "READY" : null),
});

const PAIRS: Readonly<Record<string, readonly Pair[]>> = {
  Site: [work("role health { status }", (row) => at(row, "health", "status"))],
  Cluster: [work("health { status }", (row) => at(row, "health", "status"))],
  Node: [work("status", (row) => row.status)],
  Deployment: DEPLOYMENT_PAIRS,
  Release: [
    {
      key: "present",
      select: "wanted observed { present }",
      desired: (row) => yesNo(row.wanted, "there", "gone"),
      observed: (row) => (isRow(row.observed) ? yesNo(row.observed.present, "there", "gone") : NONE),
    },
    {
      key: "replicas",
      select: "replicas observed { replicas }",
      desired: (row) => numeric(row.replicas),
      observed: (row) => numeric(at(row, "observed", "replicas")),
    },
    {
      key: "readyReplicas",
      select: "replicas observed { readyReplicas }",
      desired: (row) => numeric(row.replicas),
      observed: (row) => numeric(at(row, "observed", "readyReplicas")),
    },
    {
      key: "generation",
      select: "generation observed { generation }",
      desired: (row) => numeric(row.generation),
      observed: (row) => numeric(at(row, "observed", "generation")),
    },
  ],
};

const BY_TYPE: ReadonlyMap<string, Kind> = new Map(Object.values(KINDS).map((kind) => [kind.type, kind]));

/** Columns that lead to the page, or say what its heading says. */
const NAMED: readonly string[] = ["open", "name", "id"];

/** What is shown of a type; null for one that has no page. */
export function factsOf(type: string): Facts | null {
  const kind = BY_TYPE.get(type);
  if (!kind || kind.noPage === true) return null;
  const own = new Set((MORE[type] ?? []).map((column) => column.key));
  const listed = kind.columns.filter((column) => !NAMED.includes(column.key) && column.names !== true && !own.has(column.key));
  return { type, columns: [...listed, ...(MORE[type] ?? []), external], pairs: PAIRS[type] ?? [] };
}

/** The query of a thing's facts. */
export function factsDocument({ type, columns, pairs }: Facts): string {
  const selections = [...new Set([...columns, ...pairs].map((each) => each.select))].join("\n        ");
  return `query Facts($id: ID!) {
    entity(id: $id) {
      ... on ${type} {
        ${selections}
      }
    }
  }`;
}

export const TYPES: readonly string[] = [...BY_TYPE.keys()];
