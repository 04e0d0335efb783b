// What a deployment wants beside what its releases were observed to be, added up. The releases are counted by the server
// however many there are; replicas and versions are added up of so many releases as one answer has, and the page says when
// there are more. What only runs until it is replaced is desired no more: what of it still serves is told apart.

import { at, type Cell, isRow, NONE, numeric, type Row, text } from "../lists/values";
import { t } from "../messages";
import type { Pair } from "./facts";

export const ADDED_UP = 500;

const RELEASES = `added: releases(first: ${ADDED_UP}, filter: { wanted: true }) {
          totalCount
          nodes { replicas retiresAfter generation component { appVersion { name } } observed { present generation readyReplicas } }
        }`;

const STAYING = "wanted: true, retiresAfter: { isNull: true }";

export const DEPLOYMENT_PAIRS: readonly Pair[] = [
  {
    key: "wholeRevision",
    select: "revisionNumber good { revisionNumber } phase",
    desired: (row) => (gone(row) ? NONE : numeric(row.revisionNumber)),
    observed: (row) => numeric(at(row, "good", "revisionNumber")),
  },
  {
    key: "version",
    select: `phase appVersion { id name app { name } } ${RELEASES}`,
    desired: (row) => (gone(row) ? NONE : text(at(row, "appVersion", "name"))),
    observed: (row) => versions(row),
    same: (row) => (present(row).length === 0 ? null : versions(row).text === at(row, "appVersion", "name")),
  },
  {
    key: "releasesReady",
    select: `phase staying: releases(first: 0, filter: { ${STAYING} }) { totalCount }
        ready: releases(first: 0, filter: { ${STAYING}, phase: { eq: READY } }) { totalCount }`,
    desired: (row) => (gone(row) ? NONE : numeric(at(row, "staying", "totalCount"))),
    observed: (row) => numeric(at(row, "ready", "totalCount")),
  },
  {
    key: "readyReplicas",
    select: `phase ${RELEASES}`,
    desired: (row) => (gone(row) ? NONE : added(row, (release) => Number(release.replicas ?? 0))),
    observed: (row) => added(row, (release) => Number(at(release, "observed", "readyReplicas") ?? 0)),
  },
  {
    key: "retiringReadyReplicas",
    select: "status { retiringReadyReplicas }",
    desired: (row) => (retiring(row) === 0 ? NONE : numeric(0)),
    observed: (row) => numeric(retiring(row)),
  },
  {
    key: "releasesGone",
    select: "unwanted: releases(first: 0, filter: { wanted: false }) { totalCount }",
    desired: (row) => (at(row, "unwanted", "totalCount") === 0 ? NONE : numeric(0)),
    observed: (row) => numeric(at(row, "unwanted", "totalCount")),
  },
];

/** One that is terminated, or about to be, wants no release. */
function gone(row: Row): boolean {
  return row.phase === "TERMINATED" || row.phase === "TERMINATING";
}

/** Ready replicas of what serves until it is replaced. */
function retiring(row: Row): number {
  return Number(at(row, "status", "retiringReadyReplicas") ?? 0);
}

function releases(row: Row): readonly Row[] {
  const nodes = at(row, "added", "nodes");
  return Array.isArray(nodes) ? nodes.filter(isRow) : [];
}

function present(row: Row): readonly Row[] {
  return releases(row).filter((release) => at(release, "observed", "present") === true);
}

function added(row: Row, many: (release: Row) => number): Cell {
  const staying = releases(row).filter((release) => release.retiresAfter == null);
  const sum = numeric(staying.reduce((before, release) => before + many(release), 0));
  const all = Number(at(row, "added", "totalCount") ?? 0);
  return all > releases(row).length ? text(t.details.atLeast(sum.text)) : sum;
}

/** The versions that backends hold: a release whose backend is behind holds one that is not told. */
function versions(row: Row): Cell {
  const counts = new Map<string, number>();
  for (const release of present(row)) {
    const current = Number(at(release, "observed", "generation")) >= Number(release.generation);
    const name = current ? String(at(release, "component", "appVersion", "name") ?? "?") : t.details.earlier;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  if (counts.size === 0) return NONE;
  const [only] = counts.size === 1 ? [...counts.keys()] : [];
  return text(only ?? [...counts].map(([name, many]) => `${name} × ${many}`).join(", "));
}
