// Sites that would lie over each other are drawn as one, with the counts of all: by a grid over the pixels, so that it takes
// a step a site. A cluster stands where its first site stands, not on the grid, so that it does not jump as one moves. What is
// found is never joined with what is not.

import { STATE_COUNT } from "../live/states";
import type { Topology } from "../live/topology";
import type { MapView } from "./projection";

export interface Cluster {
  readonly x: number;
  readonly y: number;
  readonly sites: number[];
  /** Sites by state, waypoints apart. */
  readonly counts: Int32Array;
  waypoints: number;
  /** Whether its sites are found; true for all while nothing is looked for. */
  readonly found: boolean;
  /** The site that it is called by: the selected one, or else one that computes. */
  lead: number;
}

export interface Shown {
  /** Sites that are found, by row; null while nothing is looked for. */
  readonly found: Uint8Array | null;
  /** Whether waypoints are drawn that are neither found nor selected. */
  readonly waypoints: boolean;
  readonly selected: readonly number[];
}

const CELL_PX = 26;

/** The clusters in view. `points` as `projectAll` gives them. */
export function clusters(
  topology: Topology,
  points: Float64Array,
  view: MapView,
  size: { readonly width: number; readonly height: number },
  { found, waypoints, selected }: Shown,
): Cluster[] {
  const { sites } = topology;
  const cells = new Map<number, Cluster>();
  const all: Cluster[] = [];
  const chosen = new Set(selected);
  const rank = (row: number) => Number(chosen.has(row)) * 2 + Number(sites.transit[row] === 0);
  for (let row = 0; row < sites.limit && row * 2 < points.length; row += 1) {
    const transit = sites.transit[row] === 1;
    if (!sites.has(row) || (transit && !waypoints && found?.[row] !== 1 && !chosen.has(row))) continue;
    const x = (points[row * 2] as number) * view.scale + view.x;
    const y = (points[row * 2 + 1] as number) * view.scale + view.y;
    if (!(x > -CELL_PX && y > -CELL_PX && x < size.width + CELL_PX && y < size.height + CELL_PX)) continue;
    // The grid hangs on the earth and not on the window: a move changes no cluster.
    const column = Math.floor((x - view.x) / CELL_PX);
    const line = Math.floor((y - view.y) / CELL_PX);
    const is = found === null || found[row] === 1;
    // While something is looked for, what is selected is drawn by itself as well: the rest is in the background.
    const sort = found !== null && chosen.has(row) ? 2 : Number(is);
    const key = ((column + 32_768) * 65_536 + (line + 32_768)) * 3 + sort;
    let cluster = cells.get(key);
    if (cluster === undefined) {
      cluster = { x, y, sites: [], counts: new Int32Array(STATE_COUNT), waypoints: 0, found: is, lead: row };
      cells.set(key, cluster);
      all.push(cluster);
    }
    cluster.sites.push(row);
    if (rank(row) > rank(cluster.lead)) cluster.lead = row;
    if (transit) cluster.waypoints += 1;
    else cluster.counts[sites.state[row] as number] = (cluster.counts[sites.state[row] as number] as number) + 1;
  }
  return all;
}

/** How many of its sites compute. */
export function computingOf(cluster: Cluster): number {
  return cluster.sites.length - cluster.waypoints;
}

/** The radius of a cluster in pixels: its area goes with how many it holds, and a number has room in each. */
export function radiusOf(cluster: Cluster): number {
  const computing = computingOf(cluster);
  if (computing === 0) return 3.5;
  return computing === 1 ? 6.5 : Math.min(20, 8 + Math.sqrt(computing) * 1.2);
}
