// Names of regions and sites. A name is drawn where it can be read or not at all: never smaller than eleven pixels, cut
// with an ellipsis to its box, and never over another. Far off a region's name stands in its middle, with its counts.

import { STATE_COUNT, State, STATES, type StateCode } from "../../live/states";
import { count } from "../../messages";
import type { Box } from "../boxes";
import { STATE_GLYPHS } from "../glyphs";
import { REGION_HEAD, SITE_HEAD, type RegionBox } from "../layout";
import { dimmed, type Frame } from "./frame";
import type { Taken } from "./taken";

const LEAST_PX = 11;
/** A line of a label. */
const LINE_PX = 16;
const BAR_PX = 5;
const LEAST_SHARE_PX = 3;
/** Names of what is not found step back, and can be read all the same. */
const DIMMED = 0.5;

/** Leaves in `taken` where names stand. */
export function drawRegionNames(frame: Frame, taken: Taken): void {
  // Outer regions first, then the larger ones: what leads further.
  const boxes = [...frame.regions].sort((a, b) => a.depth - b.depth || b.width * b.height - a.width * a.height);
  const leaf = leaves(frame);
  for (const box of boxes) {
    const head = REGION_HEAD * frame.scale;
    if (head >= LEAST_PX + 4) drawHead(frame, box, taken);
    else if (leaf.has(box)) drawMiddle(frame, box, taken);
    else drawCorner(frame, box, taken);
  }
}

/** A name in the head of its box, with the counts of its nodes at the right. */
function drawHead(frame: Frame, box: RegionBox, taken: Taken): void {
  const { context, palette, scale, left, top, text } = frame;
  const [x, y, width] = [left + box.x * scale, top + box.y * scale, box.width * scale];
  // A head that is wider than the picture keeps its name in view.
  const [from, to] = [Math.max(x, frame.margin), Math.min(x + width, frame.width - frame.margin)];
  const size = halves(Math.min(15, Math.max(LEAST_PX + 1, REGION_HEAD * scale * 0.45)));
  text.use(context, `600 ${size}px ${palette.font}`);
  context.textBaseline = "middle";
  const middle = y + (REGION_HEAD * scale) / 2;
  const name = text.fitting(context, title(frame, box), to - from - 16);
  if (name === "") return;
  const nameWidth = text.width(context, name);
  if (!taken.take(from + 8, middle - size / 2, nameWidth, size)) return;
  context.fillStyle = palette.text;
  context.fillText(name, from + 8, middle);
  text.use(context, `${size - 1}px ${palette.font}`);
  const counts = countsOf(frame, box.region);
  const countsWidth = text.width(context, counts);
  if (to - from - 32 - nameWidth < countsWidth) return;
  context.fillStyle = palette.quiet;
  context.fillText(counts, to - 8 - countsWidth, middle);
}

/** A name in the middle of a box that is seen from far; under it the counts of its nodes, or a bar of them where those have no room. */
function drawMiddle(frame: Frame, box: RegionBox, taken: Taken): void {
  const { context, palette, scale, left, top, text } = frame;
  const [x, y] = [left + (box.x + box.width / 2) * scale, top + (box.y + box.height / 2) * scale];
  const room = Math.max(box.width * scale - 2, 0);
  const fonts = [`600 ${LEAST_PX + 1}px ${palette.font}`, `${LEAST_PX}px ${palette.font}`] as const;
  text.use(context, fonts[0]);
  const name = text.fitting(context, title(frame, box), room);
  if (name === "") return;
  const nameWidth = text.width(context, name);
  text.use(context, fonts[1]);
  // All of the counts or none: of a part one would think that it is all.
  const counts = [countsOf(frame, box.region), countsOf(frame, box.region, " ")].find((each) => text.width(context, each) <= room) ?? "";
  const countsWidth = text.width(context, counts);
  const below = box.height * scale < 2 * LINE_PX ? 0 : counts === "" ? BAR_PX + 4 : LINE_PX - 2;
  const [width, height] = [Math.max(nameWidth, below > 0 ? countsWidth : 0), LINE_PX + below];
  if (!taken.take(x - width / 2 - 3, y - height / 2, width + 6, height)) return;
  context.fillStyle = palette.ground;
  context.globalAlpha = 0.82;
  context.beginPath();
  context.roundRect(x - width / 2 - 4, y - height / 2, width + 8, height, 4);
  context.fill();
  context.globalAlpha = 1;
  context.textBaseline = "middle";
  const middle = y - height / 2 + LINE_PX / 2;
  if (below > 0 && counts !== "") {
    context.fillStyle = palette.quiet;
    context.fillText(counts, x - countsWidth / 2, middle + LINE_PX - 2);
  } else if (below > 0) drawCountsBar(frame, box.region, { x: x - nameWidth / 2, y: middle + LINE_PX / 2, width: nameWidth, height: BAR_PX });
  text.use(context, fonts[0]);
  context.fillStyle = palette.text;
  context.fillText(name, x - nameWidth / 2, middle + 0.5);
}

function drawCountsBar({ context, palette, topology }: Frame, region: number, { x, y, width, height }: Box): void {
  let from = x;
  for (const { state, share } of shares(topology.regions.nodeCounts, region, width)) {
    context.fillStyle = palette.states[state] as string;
    context.fillRect(from, y, share, height);
    from += share;
  }
}

/** The part of a bar of each state that there is: by its count, and never so little that it could not be seen. */
export function shares(counts: Int32Array, row: number, width: number): { readonly state: StateCode; readonly share: number }[] {
  const found = STATES.flatMap((state) => {
    const many = counts[row * STATE_COUNT + state] as number;
    return many > 0 ? [{ state, many }] : [];
  });
  const total = found.reduce((sum, { many }) => sum + many, 0);
  const least = Math.min(LEAST_SHARE_PX, width / Math.max(1, found.length));
  const spare = width - least * found.length;
  return found.map(({ state, many }) => ({ state, share: least + (many / total) * spare }));
}

/** The name of a region around others, in its corner, where there is room over them. */
function drawCorner(frame: Frame, box: RegionBox, taken: Taken): void {
  const { context, palette, scale, left, top, text } = frame;
  text.use(context, `600 ${LEAST_PX + 1}px ${palette.font}`);
  context.textBaseline = "bottom";
  const [x, y] = [Math.max(left + box.x * scale, frame.margin + 4), top + box.y * scale];
  const name = text.fitting(context, title(frame, box), box.width * scale - 8);
  if (name === "" || y < frame.margin + LEAST_PX + 3) return;
  const width = text.width(context, name);
  if (!taken.take(x, y - LEAST_PX - 3, width, LEAST_PX + 2)) return;
  context.fillStyle = palette.text;
  context.fillText(name, x, y - 1);
}

export function drawSiteNames(frame: Frame): void {
  const { context, palette, topology, scale, left, top, text } = frame;
  const head = SITE_HEAD * scale;
  if (head < LEAST_PX) return;
  const size = halves(Math.min(13, Math.max(LEAST_PX, head * 0.62)));
  text.use(context, `${size}px ${palette.font}`);
  context.textBaseline = "middle";
  for (const box of frame.sites) {
    const [x, y, width] = [left + box.x * scale, top + box.y * scale, box.width * scale];
    const state = topology.sites.state[box.site] as number;
    const transit = topology.sites.transit[box.site] === 1;
    // What is ready has its mark from near: from afar it would cost the names more than it tells.
    const marked = !transit && (state !== State.READY || frame.detail === "names");
    const part = box.part > 0 ? ` (${box.part + 1})` : "";
    const whole = `${marked ? `${STATE_GLYPHS[state] ?? ""} ` : ""}${topology.sites.titles[box.site] ?? ""}${part}`;
    text.use(context, `${size}px ${palette.font}`);
    let name = text.fitting(context, whole, width - 6);
    if (name !== whole && size > LEAST_PX) {
      text.use(context, `${LEAST_PX}px ${palette.font}`);
      name = text.fitting(context, whole, width - 6);
    }
    if (name === "") continue;
    context.globalAlpha = dimmed(frame.match?.leadingSites, box.site) ? DIMMED : 1;
    context.fillStyle = marked && state !== State.READY ? (palette.states[state] as string) : palette.text;
    context.fillText(name, x + 3, y + head / 2 + 1);
  }
  context.globalAlpha = 1;
}

/** Sizes of text go by half a pixel: what was measured in one is of use again. */
function halves(size: number): number {
  return Math.round(size * 2) / 2;
}

function title(frame: Frame, box: RegionBox): string {
  return `${frame.topology.regions.titles[box.region] ?? ""}${box.part > 0 ? ` (${box.part + 1})` : ""}`;
}

/** `120 ✓ 3 × 1 –`: every state that there is, never only the worst. */
export function countsOf(frame: Frame, region: number, between = "  "): string {
  const counts = frame.topology.regions.nodeCounts;
  return STATES.flatMap((state) => {
    const many = counts[region * STATE_COUNT + state] as number;
    return many > 0 ? [`${count(many)} ${STATE_GLYPHS[state] ?? ""}`] : [];
  }).join(between);
}

/** Boxes with no other region's box within them: one that has is seen by those, and its name stands at its edge. */
function leaves(frame: Frame): Set<RegionBox> {
  const { parent } = frame.topology.regions;
  const around = new Set(frame.regions.filter((box) => box.depth > 0).map((box) => parent[box.region]));
  return new Set(frame.regions.filter((box) => !around.has(box.region)));
}
