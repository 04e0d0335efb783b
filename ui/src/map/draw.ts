// The layers of the map: the earth, which is drawn once a view; links; sites.

import { geoGraticule10, type GeoPermissibleObjects } from "d3-geo";

import { colour } from "../dashboard/theme";
import { State, STATES } from "../live/states";
import type { Topology } from "../live/topology";
import { latency } from "../topology/canvas/links";
import { tracePath } from "../topology/glyphs";
import { type Palette, readPalette } from "../topology/palette";
import { type Cluster, computingOf, radiusOf } from "./clusters";
import { type MapView, tracer, WHOLE_EARTH } from "./projection";

export interface MapPalette extends Palette {
  readonly sea: string;
  readonly land: string;
  readonly coast: string;
  /** Of what a deployment reaches. */
  readonly reach: string;
}

export function readMapPalette(): MapPalette {
  return { ...readPalette(), sea: colour("--sea"), land: colour("--land"), coast: colour("--coast"), reach: colour("--accent") };
}

export type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

export function drawEarth(context: Context, view: MapView, shapes: { land: GeoPermissibleObjects; borders: GeoPermissibleObjects | null }, palette: MapPalette): void {
  const trace = tracer(view, context);
  context.fillStyle = palette.sea;
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  context.strokeStyle = palette.coast;
  context.lineWidth = 0.5;
  context.globalAlpha = 0.35;
  context.beginPath();
  trace(geoGraticule10());
  context.stroke();
  context.globalAlpha = 1;
  context.fillStyle = palette.land;
  context.lineWidth = 0.8;
  context.beginPath();
  trace(shapes.land);
  context.fill();
  context.stroke();
  if (shapes.borders !== null) {
    context.globalAlpha = 0.6;
    context.beginPath();
    trace(shapes.borders);
    context.stroke();
    context.globalAlpha = 1;
  }
  context.beginPath();
  trace(WHOLE_EARTH);
  context.stroke();
}

/** Words in the middle of a line. */
export interface Label {
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

export interface LinkScene {
  readonly topology: Topology;
  readonly points: Float64Array;
  readonly view: MapView;
  readonly found: Uint8Array | null;
  /** The site whose links are drawn strongly, with their latencies; -1: none. */
  readonly focus: number;
  readonly palette: MapPalette;
}

/** Draws the links; the latencies to be written at those of the focus. */
export function drawMapLinks(context: Context, { topology, points, view, found, focus, palette }: LinkScene): Label[] {
  const { links } = topology;
  const at = (site: number): readonly [number, number] | null => {
    const [x, y] = [points[site * 2] ?? NaN, points[site * 2 + 1] ?? NaN];
    return Number.isNaN(x) ? null : [x * view.scale + view.x, y * view.scale + view.y];
  };
  const labels: Label[] = [];
  for (const pass of ["up", "down", "focus"] as const) {
    for (const faint of found === null ? [false] : [true, false]) {
      context.beginPath();
      context.setLineDash(pass === "down" ? [5, 3] : []);
      context.strokeStyle = pass === "down" ? (palette.states[State.DOWN] as string) : pass === "focus" ? palette.linkStrong : palette.link;
      context.lineWidth = pass === "up" ? 0.9 : 1.8;
      context.globalAlpha = faint && pass !== "focus" ? 0.08 : pass === "up" ? 0.45 : 0.95;
      for (let row = 0; row < links.limit; row += 1) {
        if (!links.has(row) || (found !== null && (found[row] !== 1) !== faint)) continue;
        const focused = focus >= 0 && (links.from[row] === focus || links.to[row] === focus);
        const down = links.state[row] === State.DOWN;
        if ((pass === "focus") !== focused && (pass === "focus" || !down)) continue;
        if (pass === "up" && (down || focused)) continue;
        if (pass === "down" && !down) continue;
        const [a, b] = [at(links.from[row] as number), at(links.to[row] as number)];
        if (a === null || b === null) continue;
        context.moveTo(a[0], a[1]);
        context.lineTo(b[0], b[1]);
        if (pass === "focus" && labels.length < 40) labels.push({ x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, text: latency(links.latencyMs[row] as number) });
      }
      context.stroke();
    }
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
  context.lineWidth = 1;
  return labels;
}

/** From the top, clockwise: what is not well first. */
const RING = [State.DOWN, State.DEGRADED, State.UNKNOWN, State.CORDONED, State.READY] as const;

export function drawClusters(context: Context, shown: readonly Cluster[], palette: MapPalette, topology: Topology): void {
  context.textAlign = "center";
  context.textBaseline = "middle";
  // What is found lies over what is not.
  for (const cluster of [...shown].sort((a, b) => Number(a.found) - Number(b.found))) {
    context.globalAlpha = cluster.found ? 1 : 0.18;
    const radius = radiusOf(cluster);
    const computing = computingOf(cluster);
    const { x, y } = cluster;
    if (computing === 0) {
      context.strokeStyle = palette.transit;
      context.beginPath();
      context.moveTo(x, y - radius);
      context.lineTo(x + radius, y);
      context.lineTo(x, y + radius);
      context.lineTo(x - radius, y);
      context.closePath();
      context.stroke();
      continue;
    }
    let angle = -Math.PI / 2;
    for (const state of RING) {
      const many = cluster.counts[state] as number;
      if (many === 0) continue;
      const turn = (many / computing) * Math.PI * 2;
      context.beginPath();
      context.moveTo(x, y);
      context.arc(x, y, radius, angle, angle + turn);
      context.closePath();
      context.fillStyle = palette.states[state] as string;
      context.fill();
      angle += turn;
    }
    if (computing === 1) drawGlyph(context, cluster, palette, topology);
    else {
      context.beginPath();
      context.arc(x, y, radius - 3.2, 0, Math.PI * 2);
      context.fillStyle = palette.ground;
      context.fill();
      context.fillStyle = palette.text;
      context.font = `600 ${computing < 100 ? 11 : 9}px ${palette.font}`;
      context.fillText(String(computing), x, y + 0.5);
    }
  }
  context.globalAlpha = 1;
  context.textAlign = "left";
}

function drawGlyph(context: Context, cluster: Cluster, palette: MapPalette, topology: Topology): void {
  const site = cluster.sites.find((row) => topology.sites.transit[row] === 0) ?? -1;
  const state = STATES[topology.sites.state[site] ?? State.UNKNOWN] ?? State.UNKNOWN;
  const size = radiusOf(cluster) * 1.7;
  context.strokeStyle = palette.onState;
  context.lineWidth = 1.6;
  context.beginPath();
  tracePath(context, state, cluster.x - size / 2, cluster.y - size / 2, size);
  context.stroke();
  context.lineWidth = 1;
}
