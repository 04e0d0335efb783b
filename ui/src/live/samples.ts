// Topologies made from a seed, for tests: the same picture for the same numbers.

import type { Snapshot, Tables } from "./tables";

/** A generator of numbers from 0 to 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Tables without a row. */
export function noRows(): Tables {
  return {
    regions: { ids: [], names: [], displayNames: [], parentIds: [], levels: [], longitudes: [], latitudes: [], labels: [] },
    sites: {
      ids: [],
      names: [],
      displayNames: [],
      regionIds: [],
      ordinals: [],
      tiers: [],
      roles: [],
      longitudes: [],
      latitudes: [],
      healths: [],
      schedulable: [],
      labels: [],
    },
    nodes: { ids: [], names: [], siteIds: [], ordinals: [], arches: [], statuses: [], schedulable: [], labels: [] },
    links: { ids: [], fromSiteIds: [], toSiteIds: [], latenciesMs: [], bandwidthsMbps: [], states: [] },
    instances: { ids: [], names: [], releaseIds: [], siteIds: [], nodeIds: [], statuses: [] },
  };
}

/** Rows of a site and of a node, with what matters given. */
export interface SiteRow {
  readonly id: string;
  readonly region: string;
  readonly ordinal: number;
  readonly health?: string;
  readonly role?: string;
  readonly schedulable?: boolean;
  readonly labels?: string;
  readonly tier?: string;
}

export interface NodeRow {
  readonly id: string;
  readonly site: string;
  readonly ordinal: number;
  readonly status?: string;
  readonly schedulable?: boolean;
  readonly labels?: string;
}

export function siteColumns(rows: readonly SiteRow[]): Tables["sites"] {
  return {
    ids: rows.map((row) => row.id),
    names: rows.map((row) => row.id),
    displayNames: rows.map(() => null),
    regionIds: rows.map((row) => row.region),
    ordinals: rows.map((row) => row.ordinal),
    tiers: rows.map((row) => row.tier ?? "METRO"),
    roles: rows.map((row) => row.role ?? "COMPUTE"),
    longitudes: rows.map((_, index) => (index % 40) - 10),
    latitudes: rows.map((_, index) => 40 + (index % 20)),
    healths: rows.map((row) => row.health ?? "READY"),
    schedulable: rows.map((row) => row.schedulable ?? true),
    labels: rows.map((row) => row.labels ?? ""),
  };
}

export function nodeColumns(rows: readonly NodeRow[]): Tables["nodes"] {
  return {
    ids: rows.map((row) => row.id),
    names: rows.map((row) => row.id),
    siteIds: rows.map((row) => row.site),
    ordinals: rows.map((row) => row.ordinal),
    arches: rows.map(() => "amd64"),
    statuses: rows.map((row) => row.status ?? "READY"),
    schedulable: rows.map((row) => row.schedulable ?? true),
    labels: rows.map((row) => row.labels ?? ""),
  };
}

export function regionColumns(rows: readonly { readonly id: string; readonly parent?: string }[]): Tables["regions"] {
  return {
    ids: rows.map((row) => row.id),
    names: rows.map((row) => row.id),
    displayNames: rows.map(() => null),
    parentIds: rows.map((row) => row.parent ?? null),
    levels: rows.map((row) => (row.parent ? "COUNTRY" : "CONTINENT")),
    longitudes: rows.map(() => null),
    latitudes: rows.map(() => null),
    labels: rows.map(() => ""),
  };
}

/** A world of one continent, countries in it, sites in those and nodes in these, and a ring of links. */
export function world({
  countries,
  sitesEach,
  nodesEach,
  seed = 1,
}: {
  readonly countries: number;
  readonly sitesEach: number;
  readonly nodesEach: number;
  readonly seed?: number;
}): Snapshot {
  const random = seeded(seed);
  const regions = [{ id: "region_world" }];
  const regionRows: { id: string; parent?: string }[] = [...regions];
  const sites: SiteRow[] = [];
  const nodes: NodeRow[] = [];
  for (let country = 0; country < countries; country += 1) {
    regionRows.push({ id: `region_${country}`, parent: "region_world" });
    for (let site = 0; site < sitesEach; site += 1) {
      const id = `site_${country}_${site}`;
      const transit = random() < 0.1;
      sites.push({ id, region: `region_${country}`, ordinal: site, role: transit ? "TRANSIT" : "COMPUTE" });
      if (transit) continue;
      const count = Math.round(nodesEach * (0.5 + random()));
      for (let node = 0; node < count; node += 1) nodes.push({ id: `node_${country}_${site}_${node}`, site: id, ordinal: node });
    }
  }
  return {
    ...noRows(),
    revision: 1,
    cursor: "1",
    regions: regionColumns(regionRows),
    sites: siteColumns(sites),
    nodes: nodeColumns(nodes),
    links: {
      ids: sites.map((_, index) => `link_${index}`),
      fromSiteIds: sites.map((site) => site.id),
      toSiteIds: sites.map((_, index) => (sites[(index + 1) % sites.length] as SiteRow).id),
      latenciesMs: sites.map((_, index) => 1 + (index % 9)),
      bandwidthsMbps: sites.map(() => 10_000),
      states: sites.map(() => "UP"),
    },
  };
}
