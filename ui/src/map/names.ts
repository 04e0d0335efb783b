// Names beside what is on the map: to its right, or to its left, above or below, wherever nothing stands yet. What is
// selected has its name in any case. While something is looked for, only what is found has a name, and what is not found
// may be written over: it is there for the way, not to be read.

import { STATE_COUNT } from "../live/states";
import type { Topology } from "../live/topology";
import type { Taken } from "../topology/canvas/taken";
import { type Cluster, computingOf } from "./clusters";

const HEIGHT_PX = 14;
const BESIDE_PX = 3;
const MOST = 400;

export interface PlacedName {
  readonly text: string;
  /** Its left edge and its middle, in pixels. */
  readonly x: number;
  readonly y: number;
}

export interface Naming {
  readonly topology: Topology;
  /** Whether something is looked for. */
  readonly finding: boolean;
  readonly selected: readonly number[];
  readonly taken: Taken;
  /** Of the picture, in pixels: a name is within it or not there. */
  readonly size: { readonly width: number; readonly height: number };
  /** How far from its middle a cluster reaches with what is drawn around it, in pixels. */
  readonly edge: (one: Cluster) => number;
  /** The width of a text in pixels. */
  readonly width: (text: string) => number;
}

/** What may not be written over: the clusters themselves, but for those that are not found. */
export function blockClusters(shown: readonly Cluster[], { finding, taken, edge }: Pick<Naming, "finding" | "taken" | "edge">): void {
  for (const one of shown) {
    if (finding && !one.found) continue;
    const radius = edge(one);
    taken.block(one.x - radius, one.y - radius, radius * 2, radius * 2);
  }
}

/** The name of what is selected, where there is room, or else to its right. */
export function nameSelected(shown: readonly Cluster[], naming: Naming): PlacedName[] {
  const chosen = new Set(naming.selected);
  return shown
    .filter((one) => chosen.has(one.lead))
    .map((one) => {
      const text = nameOf(one, naming);
      return placed(one, text, naming) ?? atRight(one, text, naming);
    });
}

/** Names of the rest: first of those with the most nodes, as many as there is room for. */
export function nameOthers(shown: readonly Cluster[], naming: Naming): PlacedName[] {
  const { finding, topology } = naming;
  const chosen = new Set(naming.selected);
  const weights = new Map(shown.map((one) => [one, one.sites.reduce((sum, row) => sum + nodesOf(topology, row), 0)]));
  return shown
    .filter((one) => one.found && !chosen.has(one.lead) && (finding || computingOf(one) > 0))
    .sort((a, b) => (weights.get(b) ?? 0) - (weights.get(a) ?? 0))
    .slice(0, MOST)
    .flatMap((one) => placed(one, nameOf(one, naming), naming) ?? []);
}

/** A cluster is called by its leading site, and says how many more it holds. */
function nameOf(one: Cluster, { topology }: Naming): string {
  const title = topology.sites.titles[one.lead] ?? "";
  const more = topology.sites.transit[one.lead] === 1 ? one.sites.length - 1 : computingOf(one) - 1;
  return more > 0 ? `${title} +${more}` : title;
}

function placed(one: Cluster, text: string, { taken, width, edge, size }: Naming): PlacedName | null {
  const [wide, away] = [width(text), edge(one) + BESIDE_PX];
  const sides = [
    [one.x + away, one.y],
    [one.x - away - wide, one.y],
    [one.x - wide / 2, one.y - away - HEIGHT_PX / 2],
    [one.x - wide / 2, one.y + away + HEIGHT_PX / 2],
  ] as const;
  const within = sides.filter(([x, y]) => x >= 0 && x + wide <= size.width && y >= HEIGHT_PX / 2 && y <= size.height - HEIGHT_PX / 2);
  for (const [x, y] of within) if (taken.take(x, y - HEIGHT_PX / 2, wide, HEIGHT_PX)) return { text, x, y };
  return null;
}

function atRight(one: Cluster, text: string, { taken, width, edge }: Naming): PlacedName {
  const x = one.x + edge(one) + BESIDE_PX;
  taken.block(x, one.y - HEIGHT_PX / 2, width(text), HEIGHT_PX);
  return { text, x, y: one.y };
}

function nodesOf({ sites }: Topology, row: number): number {
  let sum = 0;
  for (let state = 0; state < STATE_COUNT; state += 1) sum += sites.nodeCounts[row * STATE_COUNT + state] as number;
  return sum;
}
