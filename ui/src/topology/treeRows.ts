// The tree as the rows that are open now: regions within regions, sites in them, nodes in these. Made from the live picture
// when something came or went, was opened, or was looked for; thousands of rows are cheap, for only those in view are drawn.

import type { Match } from "../find/match";
import type { Place } from "../live/tables";
import type { Topology } from "../live/topology";

export interface TreeRow extends Place {
  readonly id: string;
  /** 1 for the outermost. */
  readonly level: number;
  /** Whether there is something below it; null where there is nothing. */
  readonly expanded: boolean | null;
  /** Its number among those beside it, from 1, and how many these are. */
  readonly position: number;
  readonly siblings: number;
  /** The index of the row that it is below, or -1. */
  readonly parent: number;
}

export interface TreeIndex {
  readonly roots: readonly number[];
  readonly regionsOf: readonly (readonly number[] | undefined)[];
  readonly sitesOf: readonly (readonly number[] | undefined)[];
  readonly nodesOf: readonly (readonly number[] | undefined)[];
}

/**
 * Who is in whom, each by name. `before` is what this answered last for the same topology: what was in order then nearly is
 * now, and putting it in order again costs a comparison each.
 */
export function treeIndex(topology: Topology, collator: Intl.Collator, before?: TreeIndex): TreeIndex {
  const { regions, sites, nodes } = topology;
  const roots: number[] = [];
  const regionsOf: (number[] | undefined)[] = new Array(regions.limit);
  const sitesOf: (number[] | undefined)[] = new Array(regions.limit);
  const nodesOf: (number[] | undefined)[] = new Array(sites.limit);
  for (let row = 0; row < regions.limit; row += 1) {
    if (!regions.has(row)) continue;
    const parent = regions.parent[row] as number;
    if (parent < 0) roots.push(row);
    else (regionsOf[parent] ??= []).push(row);
  }
  const placed = new Uint8Array(sites.limit);
  const place = (row: number) => {
    const region = sites.region[row] as number;
    if (placed[row] === 1 || !sites.has(row) || region < 0) return;
    placed[row] = 1;
    (sitesOf[region] ??= []).push(row);
  };
  for (const list of before?.sitesOf ?? []) list?.forEach(place);
  for (let row = 0; row < sites.limit; row += 1) place(row);
  for (let row = 0; row < nodes.limit; row += 1) {
    const site = nodes.site[row] as number;
    if (nodes.has(row) && site >= 0) (nodesOf[site] ??= []).push(row);
  }
  const byTitle = (titles: readonly string[]) => (a: number, b: number) => collator.compare(titles[a] ?? "", titles[b] ?? "") || a - b;
  roots.sort(byTitle(regions.titles));
  for (const list of regionsOf) list?.sort(byTitle(regions.titles));
  for (const list of sitesOf) list?.sort(byTitle(sites.titles));
  for (const list of nodesOf) list?.sort((a, b) => (nodes.ordinal[a] as number) - (nodes.ordinal[b] as number));
  return { roots, regionsOf, sitesOf, nodesOf };
}

/** The rows, top to bottom. With something looked for only what it finds and what leads there; all of that is open. */
export function treeRows(topology: Topology, index: TreeIndex, open: ReadonlySet<string>, match: Match | null): TreeRow[] {
  const rows: TreeRow[] = [];
  const { regions, sites, nodes } = topology;
  const within = (found: Uint8Array | undefined, list: readonly number[] | undefined) =>
    (list ?? []).filter((row) => found === undefined || found[row] === 1);
  const addNodes = (site: number, level: number, parent: number) => {
    const list = within(match?.nodes, index.nodesOf[site]);
    for (const [at, row] of list.entries()) {
      const id = nodes.ids[row] ?? "";
      rows.push({ kind: "node", row, id, level, expanded: null, position: at + 1, siblings: list.length, parent });
    }
  };
  const addRegion = (row: number, level: number, parent: number, position: number, siblings: number) => {
    const id = regions.ids[row] ?? "";
    const below = within(match?.leadingRegions, index.regionsOf[row]);
    const inside = within(match?.leadingSites, index.sitesOf[row]);
    const many = below.length + inside.length;
    // What is looked for opens regions; a site's nodes are opened by hand, for there may be thousands.
    const expanded = many === 0 ? null : open.has(id) !== (match !== null);
    const at = rows.length;
    rows.push({ kind: "region", row, id, level, expanded, position, siblings, parent });
    if (expanded !== true || level > 32) return;
    below.forEach((child, number) => addRegion(child, level + 1, at, number + 1, many));
    inside.forEach((site, number) => {
      const siteId = sites.ids[site] ?? "";
      const has = within(match?.nodes, index.nodesOf[site]).length > 0;
      const siteAt = rows.length;
      const siteOpen = has ? open.has(siteId) : null;
      const place = { position: below.length + number + 1, siblings: many, parent: at };
      rows.push({ kind: "site", row: site, id: siteId, level: level + 1, expanded: siteOpen, ...place });
      if (siteOpen === true) addNodes(site, level + 2, siteAt);
    });
  };
  const roots = within(match?.leadingRegions, index.roots);
  roots.forEach((row, number) => addRegion(row, 1, -1, number + 1, roots.length));
  return rows;
}

/** The ids to open so that a thing can be seen, outermost first. */
export function pathTo(topology: Topology, place: Place): string[] {
  const { regions, sites, nodes, instances } = topology;
  const path: string[] = [];
  let region = -1;
  if (place.kind === "region") region = regions.parent[place.row] as number;
  else if (place.kind === "site") region = sites.region[place.row] as number;
  else if (place.kind === "node" || place.kind === "instance") {
    const site = (place.kind === "node" ? nodes.site[place.row] : instances.site[place.row]) as number;
    if (site < 0) return [];
    path.push(sites.ids[site] ?? "");
    region = sites.region[site] as number;
  }
  for (let guard = 0; region >= 0 && guard < 64; region = regions.parent[region] as number, guard += 1) {
    path.push(regions.ids[region] ?? "");
  }
  return path.reverse();
}
