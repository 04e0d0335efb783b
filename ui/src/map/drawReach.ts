// What a deployment reaches: a double ring around each site that it is at, and a line from it to each place that it serves,
// with the latency. What is selected has a single, thicker ring: the two may lie over each other.

import { geoNaturalEarth1 } from "d3-geo";

import type { Topology } from "../live/topology";
import { latency } from "../topology/canvas/links";
import { type Cluster, radiusOf } from "./clusters";
import type { Context, Label, MapPalette } from "./draw";
import type { MapView } from "./projection";
import type { Degrees, Reach } from "./reach";

/** Rings around a site, so much wider than what it is drawn as. */
const RING_PX = [4, 7.5] as const;
const SELECTED_PX = 11;
const PLACE_PX = 4;
/** Of words, about. */
const LETTER_PX = 6.5;
/** So far from a site words are clear of its rings. */
const BELOW_PX = 14;
const UNIT = geoNaturalEarth1().scale(1).translate([0, 0]);

export interface ReachScene {
  readonly topology: Topology;
  readonly points: Float64Array;
  readonly view: MapView;
  readonly palette: MapPalette;
  /** Sites are drawn with those about them: where, and how large. */
  readonly shown: readonly Cluster[];
}

type Point = readonly [number, number];

interface Spot {
  readonly at: Point;
  readonly radius: number;
}

/** Lines from sites to the places that they serve, under the sites; the words to be written at them. */
export function drawServed(context: Context, { served }: Reach, scene: ReachScene): Label[] {
  const { topology, view, palette } = scene;
  const labels: Label[] = [];
  for (const { siteId, place, position, latencyMs } of served) {
    const from = spotOf(scene, topology.sites.rowOf(siteId))?.at ?? null;
    const to = position && pointAt(view, position);
    if (from === null || to === null) continue;
    context.lineCap = "round";
    for (const [colour, width] of [[palette.land, 6], [palette.reach, 3]] as const) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
    }
    context.lineCap = "butt";
    context.fillStyle = palette.reach;
    context.strokeStyle = palette.land;
    context.lineWidth = 1.5;
    context.beginPath();
    context.rect(to[0] - PLACE_PX, to[1] - PLACE_PX, PLACE_PX * 2, PLACE_PX * 2);
    context.fill();
    context.stroke();
    labels.push(beyond(from, to, `${place} ${latency(latencyMs)}`));
  }
  context.lineWidth = 1;
  return labels;
}

/** Words at the end of a line, on the side that it does not come from. */
function beyond(from: Point, to: Point, text: string): Label {
  const long = Math.hypot(to[0] - from[0], to[1] - from[1]);
  const [dx, dy] = long < 1 ? [0, 1] : [(to[0] - from[0]) / long, (to[1] - from[1]) / long];
  const away = long < BELOW_PX ? BELOW_PX - long : 0;
  return { x: to[0] + dx * ((text.length * LETTER_PX) / 2 + 12), y: to[1] + dy * (14 + away), text };
}

/** A double ring around each site that a deployment is at. */
export function drawReached(context: Context, { siteIds }: Reach, scene: ReachScene): void {
  for (const id of siteIds) {
    const spot = spotOf(scene, scene.topology.sites.rowOf(id));
    if (spot === null) continue;
    for (const more of RING_PX) ring(context, spot.at, spot.radius + more, 2, scene.palette.reach);
  }
}

/** A ring around what is selected. */
export function drawSelected(context: Context, sites: readonly number[], scene: ReachScene): void {
  for (const row of sites) {
    const spot = spotOf(scene, row);
    if (spot === null) continue;
    ring(context, spot.at, spot.radius + SELECTED_PX, 5, scene.palette.land);
    ring(context, spot.at, spot.radius + SELECTED_PX, 3, scene.palette.accent);
  }
}

/** How far from its middle a cluster reaches with the rings around it. */
export function edgeOf(one: Cluster, { reached, selected }: { readonly reached: boolean; readonly selected: boolean }): number {
  return radiusOf(one) + (selected ? SELECTED_PX + 3 : reached ? RING_PX[1] + 1 : 0);
}

function ring(context: Context, [x, y]: Point, radius: number, width: number, colour: string): void {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  context.arc(x, y, radius, 0, Math.PI * 2);
  context.stroke();
  context.lineWidth = 1;
}

/** Where a site is drawn; where it would be, when it is beyond what is in view. */
function spotOf({ shown, points, view }: ReachScene, site: number): Spot | null {
  const cluster = shown.find((one) => one.sites.includes(site));
  if (cluster) return { at: [cluster.x, cluster.y], radius: radiusOf(cluster) };
  const [x, y] = [points[site * 2] ?? NaN, points[site * 2 + 1] ?? NaN];
  return Number.isNaN(x) ? null : { at: [x * view.scale + view.x, y * view.scale + view.y], radius: 6 };
}

function pointAt(view: MapView, { longitude, latitude }: Degrees): Point | null {
  const at = UNIT([longitude, latitude]);
  return at && [at[0] * view.scale + view.x, at[1] * view.scale + view.y];
}
