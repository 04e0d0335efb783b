// Sites that would lie over each other are drawn as one, with the counts of all: by a grid over the pixels, so that it takes
// a step a site. A cluster stands where its first site stands, not on the grid, so that it does not jump as one moves.

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
  /** Whether any of its sites is found; true for all while nothing is looked for. */
  found: boolean;
}

const CELL_PX = 26;

/** The clusters in view. `points` as `projectAll` gives them. */
export function clusters(
  topology: Topology,
  points: Float64Array,
  view: MapView,
  size: { readonly width: number; readonly height: number },
  { found, waypoints }: { readonly found: Uint8Array | null; readonly waypoints: boolean },
): Cluster[] {
  const { sites } = topology;
  const cells = new Map<number, Cluster>();
  const all: Cluster[] = [];
  for (let row = 0; row < sites.limit && row * 2 < points.length; row += 1) {
    const transit = sites.transit[row] === 1;
    if (!sites.has(row) || (transit && !waypoints)) continue;
    const x = (points[row * 2] as number) * view.scale + view.x;
    const y = (points[row * 2 + 1] as number) * view.scale + view.y;
    if (!(x > -CELL_PX && y > -CELL_PX && x < size.width + CELL_PX && y < size.height + CELL_PX)) continue;
    // The grid hangs on the earth and not on the window: a move changes no cluster.
    const column = Math.floor((x - view.x) / CELL_PX);
    const line = Math.floor((y - view.y) / CELL_PX);
    const key = (column + 32_768) * 65_536 + (line + 32_768);
    let cluster = cells.get(key);
    if (cluster === undefined) {
      cluster = { x, y, sites: [], counts: new Int32Array(STATE_COUNT), waypoints: 0, found: false };
      cells.set(key, cluster);
      all.push(cluster);
    }
    cluster.sites.push(row);
    if (transit) cluster.waypoints += 1;
    else cluster.counts[sites.state[row] as number] = (cluster.counts[sites.state[row] as number] as number) + 1;
    if (found === null || found[row] === 1) cluster.found = true;
  }
  return all;
}

/** The radius of a cluster in pixels: its area goes with how many it holds. */
export function radiusOf(cluster: Cluster): number {
  const computing = cluster.sites.length - cluster.waypoints;
  if (computing === 0) return 3;
  return Math.min(20, 4.5 + Math.sqrt(computing) * 2);
}
