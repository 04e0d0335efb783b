// Links. Far off they are joined to one line for each pair of regions, as wide as they are many; nearer, and for what is
// selected or pointed at, each is drawn, with its latency. A link that is down is dashed as well as red.

import { State } from "../../live/states";
import type { Place } from "../../live/tables";
import type { Topology } from "../../live/topology";
import { count } from "../../messages";
import { SLOT } from "../layout";
import { dimmed, type Frame } from "./frame";
import { LinkEnds } from "./linkEnds";
import type { Taken } from "./taken";

/** Pixels of a slot from which links between sites are drawn, not only those between regions. */
const EACH_FROM_PX = 5;
/** More links than these would hide what they connect: then only those that are down are drawn, and the focused ones. */
const EACH_AT_MOST = 250;
const LABELS_AT_MOST = 60;

export class LinkLayer {
  private readonly known = new LinkEnds();

  /** All links, beneath the nodes. */
  draw(frame: Frame): void {
    this.known.refresh(frame.topology, frame.layout);
    if (frame.scale * SLOT >= EACH_FROM_PX) {
      const { links } = frame.topology;
      const many = this.inView(frame) > EACH_AT_MOST;
      this.drawEach(frame, (row) => !many || links.state[row] === State.DOWN, 0.5);
    } else this.drawBundles(frame);
  }

  /** The links of what is selected or pointed at, over everything; those of them that have room for a latency. */
  drawFocus(frame: Frame): readonly number[] {
    const focus = focusOf(frame);
    if (focus === null) return [];
    this.known.refresh(frame.topology, frame.layout);
    return this.drawFocused(frame, focus);
  }

  /** Latencies of links, in the middle of each; never over other words. */
  drawLatencies(frame: Frame, rows: readonly number[], taken: Taken): void {
    if (rows.length === 0) return;
    const { context, palette, text } = frame;
    const { links } = frame.topology;
    text.use(context, `11px ${palette.font}`);
    context.textBaseline = "middle";
    context.textAlign = "center";
    for (const row of rows) {
      const [x, y] = this.middle(frame, row);
      const words = `${latency(links.latencyMs[row] as number)}${links.state[row] === State.DOWN ? " ×" : ""}`;
      const width = text.width(context, words);
      if (!taken.take(x - width / 2 - 3, y - 8, width + 6, 16)) continue;
      context.fillStyle = palette.ground;
      context.fillRect(x - width / 2 - 3, y - 8, width + 6, 16);
      context.fillStyle = palette.text;
      context.fillText(words, x, y);
    }
    context.textAlign = "left";
  }

  /** How many links are in view, what is drawn around it apart; counting ends where they are too many. */
  private inView(frame: Frame): number {
    const { limit } = frame.topology.links;
    let many = 0;
    for (let row = 0; row < limit && many <= EACH_AT_MOST; row += 1) if (this.visible(frame, row, frame.margin)) many += 1;
    return many;
  }

  /** A line for each pair of regions, and over it how much of it is down, each in its own width. */
  private drawBundles(frame: Frame): void {
    const { context, palette, match } = frame;
    context.lineCap = "butt";
    for (const { from, to, rows, down } of this.known.bundles) {
      const [a, b] = [this.regionMiddle(frame, from), this.regionMiddle(frame, to)];
      if (a === null || b === null || outside(frame, a, b)) continue;
      const faint = match !== null && !rows.some((row) => match.links[row] === 1);
      const width = Math.min(5, 0.8 + Math.log2(1 + rows.length) * 0.7);
      const line = (colour: string, share: number, alpha: number) => {
        context.strokeStyle = colour;
        context.globalAlpha = faint ? 0.06 : alpha;
        context.lineWidth = Math.max(1.2, width * share);
        context.beginPath();
        curve(context, a[0], a[1], b[0], b[1]);
        context.stroke();
      };
      if (down < rows.length) line(palette.link, 1, 0.35);
      if (down === 0) continue;
      context.setLineDash([5, 3]);
      line(palette.states[State.DOWN] as string, down / rows.length, 0.85);
      context.setLineDash([]);
    }
    context.globalAlpha = 1;
    context.lineWidth = 1;
  }

  private drawEach(frame: Frame, wanted: (row: number) => boolean, alpha: number): void {
    const { context, palette, topology, match } = frame;
    const { links } = topology;
    const shown: number[] = [];
    for (let row = 0; row < links.limit; row += 1) if (this.visible(frame, row) && wanted(row)) shown.push(row);
    for (const down of [false, true]) {
      context.strokeStyle = down ? (palette.states[State.DOWN] as string) : palette.link;
      context.setLineDash(down ? [5, 3] : []);
      context.lineWidth = down ? 1.6 : 1;
      for (const faint of match === null ? [false] : [true, false]) {
        context.globalAlpha = faint ? 0.1 : alpha;
        context.beginPath();
        for (const row of shown) {
          if ((links.state[row] === State.DOWN) === down && dimmed(match?.links, row) === faint) this.trace(frame, row);
        }
        context.stroke();
      }
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
    context.lineWidth = 1;
  }

  private regionMiddle({ left, top, scale }: Frame, region: number): Point | null {
    const [x, y] = [this.known.middles[region * 2] ?? NaN, this.known.middles[region * 2 + 1] ?? NaN];
    return Number.isNaN(x) ? null : [left + x * scale, top + y * scale];
  }

  /** Whether a link has both ends and may cross what is drawn, but for an edge of so many pixels. */
  private visible({ scale, left, top, width, height }: Frame, row: number, edge = 0): boolean {
    const { ends } = this.known;
    const [ax, bx] = [(ends[row * 4] as number) * scale + left, (ends[row * 4 + 2] as number) * scale + left];
    // Of NaN neither holds.
    if (!((ax >= edge || bx >= edge) && (ax <= width - edge || bx <= width - edge))) return false;
    const [ay, by] = [(ends[row * 4 + 1] as number) * scale + top, (ends[row * 4 + 3] as number) * scale + top];
    return (ay >= edge || by >= edge) && (ay <= height - edge || by <= height - edge);
  }

  private trace({ context, scale, left, top }: Frame, row: number): void {
    const { ends } = this.known;
    const [ax, ay] = [(ends[row * 4] as number) * scale + left, (ends[row * 4 + 1] as number) * scale + top];
    const [bx, by] = [(ends[row * 4 + 2] as number) * scale + left, (ends[row * 4 + 3] as number) * scale + top];
    curve(context, ax, ay, bx, by);
  }

  /** The middle of a link's bow. */
  private middle({ scale, left, top }: Frame, row: number): [number, number] {
    const { ends } = this.known;
    const [ax, ay] = [(ends[row * 4] as number) * scale + left, (ends[row * 4 + 1] as number) * scale + top];
    const [bx, by] = [(ends[row * 4 + 2] as number) * scale + left, (ends[row * 4 + 3] as number) * scale + top];
    return [(ax + bx) / 2 + (ay - by) * 0.06, (ay + by) / 2 + (bx - ax) * 0.06];
  }

  private drawFocused(frame: Frame, focus: (row: number) => boolean): number[] {
    const { context, palette, topology } = frame;
    const { links } = topology;
    const shown: number[] = [];
    for (let row = 0; row < links.limit; row += 1) if (focus(row) && this.visible(frame, row)) shown.push(row);
    context.lineWidth = shown.length > LABELS_AT_MOST ? 1.2 : 2;
    for (const row of shown) {
      const down = links.state[row] === State.DOWN;
      context.strokeStyle = down ? (palette.states[State.DOWN] as string) : palette.linkStrong;
      context.setLineDash(down ? [5, 3] : []);
      context.beginPath();
      this.trace(frame, row);
      context.stroke();
    }
    context.setLineDash([]);
    context.lineWidth = 1;
    return shown.slice(0, LABELS_AT_MOST);
  }
}

/** Milliseconds for people: `0.42 ms`, `7.1 ms`, `120 ms`. */
export function latency(ms: number): string {
  // By what is left after rounding: a millisecond is written in one way, however it was measured.
  return `${ms < 0.995 ? ms.toFixed(2) : ms < 19.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** What a place asks for at most: a latency, or a distance. */
export function limit(withinMs: number | null, withinKm: number | null): string {
  return withinKm === null ? latency(withinMs ?? 0) : `${count(withinKm)} km`;
}

/** Whether a link belongs to what is selected or pointed at; null where nothing is. */
function focusOf(frame: Frame): ((row: number) => boolean) | null {
  const tests = [frame.scene.selected, frame.scene.hovered].flatMap((place) => {
    const test = place === null ? null : linkTest(frame.topology, place);
    return test === null ? [] : [test];
  });
  return tests.length === 0 ? null : (row) => tests.some((test) => test(row));
}

function linkTest(topology: Topology, place: Place): ((row: number) => boolean) | null {
  const { links, sites, nodes } = topology;
  switch (place.kind) {
    case "link":
      return (row) => row === place.row;
    case "site":
      return (row) => links.from[row] === place.row || links.to[row] === place.row;
    case "node": {
      const site = nodes.site[place.row] as number;
      return (row) => links.from[row] === site || links.to[row] === site;
    }
    case "region": {
      // Those that cross its border: what connects it.
      const inside = (site: number) => site >= 0 && sites.region[site] === place.row;
      return (row) => inside(links.from[row] as number) !== inside(links.to[row] as number);
    }
    case "instance":
      return null;
  }
}

type Point = readonly [number, number];

/** A slight bow, so that a line between boxes in a row does not run through those between them. */
function curve(context: Frame["context"], ax: number, ay: number, bx: number, by: number): void {
  context.moveTo(ax, ay);
  context.quadraticCurveTo((ax + bx) / 2 + (ay - by) * 0.12, (ay + by) / 2 + (bx - ax) * 0.12, bx, by);
}

function outside(frame: Frame, a: Point, b: Point): boolean {
  return (
    (a[0] < 0 && b[0] < 0) ||
    (a[1] < 0 && b[1] < 0) ||
    (a[0] > frame.width && b[0] > frame.width) ||
    (a[1] > frame.height && b[1] > frame.height)
  );
}
