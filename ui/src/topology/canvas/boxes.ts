// Regions and sites as boxes: their grounds and, where nodes are too small to be drawn, a bar of their states. A bar counts
// every state, each at least a pixel and a half high: one node that is down among a hundred is seen.

import { STATE_COUNT, State } from "../../live/states";
import type { Box } from "../boxes";
import type { RegionBox, SiteBox } from "../layout";
import { dimmed, type Frame } from "./frame";

/** From the top of a bar: what is worst first, then what is well. */
const BAR_ORDER = [State.DOWN, State.DEGRADED, State.UNKNOWN, State.CORDONED, State.READY] as const;
const LEAST_BAR_PX = 1.5;
const DIMMED = 0.22;

export function drawRegions(frame: Frame): void {
  const { context, palette, scale, left, top } = frame;
  context.lineWidth = 1;
  for (const box of frame.regions) {
    const [x, y, width, height] = [left + box.x * scale, top + box.y * scale, box.width * scale, box.height * scale];
    context.fillStyle = ground(frame, box);
    context.strokeStyle = palette.regionLine;
    context.beginPath();
    context.roundRect(x, y, width, height, Math.min(8, 4 * scale + 2));
    context.fill();
    context.stroke();
  }
}

/** Where a site's box is drawn: on whole pixels of the device, so that drawing it again leaves no edge. */
export function pixelsOf(frame: Frame, box: SiteBox): Box {
  const { ratio, scale, left, top } = frame;
  const snap = (at: number) => Math.round(at * ratio) / ratio;
  const [x, y] = [snap(left + box.x * scale), snap(top + box.y * scale)];
  const [right, bottom] = [snap(left + (box.x + box.width) * scale), snap(top + (box.y + box.height) * scale)];
  return { x, y, width: Math.max(1 / ratio, right - x), height: Math.max(1 / ratio, bottom - y) };
}

/** The sites of the frame; with `again`, over what was drawn of them before. */
export function drawSites(frame: Frame, { again = false } = {}): void {
  const { context, palette, topology } = frame;
  const bars = frame.detail === "sites" || frame.detail === "regions";
  for (const box of frame.sites) {
    const { x, y, width, height } = pixelsOf(frame, box);
    if (again) {
      context.globalAlpha = 1;
      context.fillStyle = ground(frame, box.regionBox);
      context.fillRect(x, y, width, height);
    }
    const faint = dimmed(frame.match?.leadingSites, box.site);
    context.globalAlpha = faint ? DIMMED : 1;
    if (topology.sites.transit[box.site] === 1 && box.columns === 0) {
      drawWaypoint(frame, box, x, y, width);
      continue;
    }
    context.fillStyle = palette.site;
    context.fillRect(x, y, width, height);
    if (bars) drawBar(frame, box, x, y, width, height);
    else if (width > 12) {
      context.strokeStyle = palette.siteLine;
      context.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
      // Over its line it would be twice as dark as what else is dimmed.
      if (faint) context.globalAlpha = DIMMED / 2;
      drawSiteState(frame, box, x, y, width, height);
    }
  }
  context.globalAlpha = 1;
}

function ground({ palette }: Frame, box: RegionBox): string {
  return palette.region[box.depth % 2 === 0 ? 1 : 0] as string;
}

/** A point that is routed through only, drawn as what it is: an empty diamond. */
function drawWaypoint(frame: Frame, box: SiteBox, x: number, y: number, size: number): void {
  const { context, palette, topology } = frame;
  const [middle, half] = [size / 2, Math.max(1.5, size * 0.28)];
  context.beginPath();
  context.moveTo(x + middle, y + middle - half);
  context.lineTo(x + middle + half, y + middle);
  context.lineTo(x + middle, y + middle + half);
  context.lineTo(x + middle - half, y + middle);
  context.closePath();
  context.lineWidth = size > 10 ? 1.5 : 1;
  context.strokeStyle = topology.sites.state[box.site] === State.DOWN ? (palette.states[State.DOWN] as string) : palette.transit;
  context.stroke();
  context.lineWidth = 1;
}

function drawBar(frame: Frame, box: SiteBox, x: number, y: number, width: number, height: number): void {
  const { context, palette, topology } = frame;
  const counts = topology.sites.nodeCounts;
  const at = box.site * STATE_COUNT;
  let total = 0;
  for (let state = 0; state < STATE_COUNT; state += 1) total += counts[at + state] as number;
  const inset = width > 8 ? 1 : 0;
  if (total === 0) {
    // No nodes are known: the site's own state, as a frame.
    context.strokeStyle = palette.states[topology.sites.state[box.site] as number] as string;
    context.strokeRect(x + 0.5, y + 0.5, Math.max(0.5, width - 1), Math.max(0.5, height - 1));
    return;
  }
  const room = height - 2 * inset;
  const bottom = y + inset + room;
  let edge = y + inset;
  for (const state of BAR_ORDER) {
    const count = counts[at + state] as number;
    if (count === 0) continue;
    // What is well has the rest: the others' least heights are at its expense.
    const share = state === State.READY ? bottom - edge : Math.min(bottom - edge, Math.max((count / total) * room, LEAST_BAR_PX));
    context.fillStyle = palette.states[state] as string;
    context.fillRect(x + inset, edge, width - 2 * inset, share);
    edge += share;
  }
}

/** A site's own state where its nodes are drawn: the edge of one that is not ready. */
function drawSiteState(frame: Frame, box: SiteBox, x: number, y: number, width: number, height: number): void {
  const { context, palette, topology } = frame;
  const state = topology.sites.state[box.site] as number;
  if (state === State.READY) return;
  context.fillStyle = palette.states[state] as string;
  context.fillRect(x, y, Math.max(2, width * 0.02), height);
}
