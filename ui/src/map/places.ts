// Where on the map a thing is: at a site, at the ends of a link, at all sites of a region.

import type { Place } from "../live/tables";
import type { Topology } from "../live/topology";

/** The rows of the sites that a thing is at. */
export function sitesOf(topology: Topology, { kind, row }: Place): number[] {
  const { nodes, links, instances } = topology;
  switch (kind) {
    case "site":
      return [row];
    case "node":
      return known([nodes.site[row]]);
    case "instance":
      return known([instances.site[row]]);
    case "link":
      return known([links.from[row], links.to[row]]);
    case "region":
      return inRegion(topology, row);
  }
}

/** The points of sites, of those that `projectAll` gave. */
export function pointsOf(points: Float64Array, sites: readonly number[]): Float64Array {
  const found = new Float64Array(sites.length * 2);
  for (const [at, site] of sites.entries()) found.set([points[site * 2] ?? NaN, points[site * 2 + 1] ?? NaN], at * 2);
  return found;
}

function inRegion({ regions, sites }: Topology, region: number): number[] {
  const found: number[] = [];
  for (let row = 0; row < sites.limit; row += 1) {
    if (!sites.has(row)) continue;
    for (let at = sites.region[row] as number, guard = 0; at >= 0 && guard < 64; at = regions.parent[at] as number, guard += 1) {
      if (at === region) {
        found.push(row);
        break;
      }
    }
  }
  return found;
}

function known(sites: readonly (number | undefined)[]): number[] {
  return sites.filter((site): site is number => site !== undefined && site >= 0);
}
