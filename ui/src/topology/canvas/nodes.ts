// Nodes as squares, by state, so that a colour is set once for all that have it; marks, names and what runs where there is
// room for them.

import { grown } from "../../live/columns";
import { STATE_COUNT, State, STATES, type StateCode } from "../../live/states";
import { tracePath } from "../glyphs";
import { SLOT } from "../layout";
import { dimmed, type Frame } from "./frame";

/** How much of a slot a node's square takes. */
const FILL = 0.84;
const FLASH_MS = 700;
const DIMMED = 0.16;
const INSTANCE_PX = 9;
const LEAST_ILL_PX = 2.8;
/** From so many pixels on a node that is ready has its mark as well: smaller, it would be lost among its like. */
const LEAST_READY_PX = 12;
/** From so many pixels on what runs on a node has its name. */
const NAMED_PX = 110;

/** Rows in view by state, found ones and dimmed ones apart; kept from frame to frame. */
class Buckets {
  private rows: Int32Array[] = Array.from({ length: STATE_COUNT * 2 }, () => new Int32Array(256));
  private readonly used = new Int32Array(STATE_COUNT * 2);

  clear(): void {
    this.used.fill(0);
  }

  add(state: StateCode, faint: boolean, row: number): void {
    const bucket = state * 2 + Number(faint);
    const at = this.used[bucket] as number;
    const rows = grown(this.rows[bucket] as Int32Array, at + 1);
    this.rows[bucket] = rows;
    rows[at] = row;
    this.used[bucket] = at + 1;
  }

  of(state: StateCode, faint: boolean): Int32Array {
    const bucket = state * 2 + Number(faint);
    return (this.rows[bucket] as Int32Array).subarray(0, this.used[bucket]);
  }
}

export class NodeLayer {
  private readonly buckets = new Buckets();
  /** Rows that had changed just before they were drawn. */
  private readonly changed = new Set<number>();
  private instancesOf: (number[] | undefined)[] = [];
  private instancesAt = -1;

  /** The nodes of the frame's sites; with `again`, in a picture that has the others already. */
  draw(frame: Frame, { again = false } = {}): void {
    if (!again) this.changed.clear();
    if (frame.detail === "regions" || frame.detail === "sites") return;
    this.collect(frame);
    const { context, layout, palette, scale, left, top } = frame;
    const size = Math.max(1, SLOT * scale * FILL);
    for (const state of STATES) {
      context.fillStyle = palette.states[state] as string;
      // One that is not ready is seen among ten thousand that are.
      const side = state === State.READY ? size : Math.max(size, LEAST_ILL_PX);
      const [x, y] = [left - (side - size) / 2, top - (side - size) / 2];
      for (const faint of [true, false]) {
        context.globalAlpha = faint ? DIMMED : 1;
        for (const row of this.buckets.of(state, faint)) {
          context.fillRect(x + (layout.nodeX[row] as number) * scale, y + (layout.nodeY[row] as number) * scale, side, side);
        }
      }
    }
    context.globalAlpha = 1;
    if (frame.detail === "nodes") return;
    this.drawMarks(frame, size);
    if (frame.scene.motion) this.collectChanged(frame);
    if (frame.detail === "names") this.drawNames(frame, size);
  }

  private collect(frame: Frame): void {
    this.buckets.clear();
    const { nodes } = frame.topology;
    for (const box of frame.sites) {
      for (const row of box.slots) {
        if (row >= 0) this.buckets.add(nodes.state[row] as StateCode, dimmed(frame.match?.nodes, row), row);
      }
    }
  }

  private drawMarks(frame: Frame, size: number): void {
    const { context, layout, palette, scale, left, top } = frame;
    const mark = markIn(size, frame.detail === "names");
    context.strokeStyle = palette.onState;
    context.lineWidth = Math.max(1, mark.size * 0.11);
    context.lineCap = "round";
    context.lineJoin = "round";
    context.beginPath();
    for (const state of STATES) {
      if (state === State.READY && size < LEAST_READY_PX) continue;
      for (const row of this.buckets.of(state, false)) {
        const [x, y] = [left + (layout.nodeX[row] as number) * scale, top + (layout.nodeY[row] as number) * scale];
        tracePath(context, state, x + mark.x, y + mark.y, mark.size);
      }
    }
    context.stroke();
    context.lineCap = "butt";
    context.lineJoin = "miter";
    context.lineWidth = 1;
  }

  private collectChanged(frame: Frame): void {
    const { changedAt } = frame.topology.nodes;
    for (const state of STATES) {
      for (const row of this.buckets.of(state, false)) {
        const at = changedAt[row] as number;
        if (at !== 0 && frame.now - at < FLASH_MS) this.changed.add(row);
      }
    }
  }

  /** Outlines what has just changed, over the last picture; true while there is any such. */
  drawFlashes(frame: Frame): boolean {
    if (this.changed.size === 0) return false;
    const { context, layout, palette, scale, left, top, now } = frame;
    const { changedAt } = frame.topology.nodes;
    const size = Math.max(1, SLOT * scale * FILL);
    context.strokeStyle = palette.accent;
    context.lineWidth = 2;
    for (const row of this.changed) {
      const age = now - (changedAt[row] as number);
      if (age >= FLASH_MS) {
        this.changed.delete(row);
        continue;
      }
      context.globalAlpha = Math.min(1, 1 - age / FLASH_MS);
      const [x, y] = [left + (layout.nodeX[row] as number) * scale, top + (layout.nodeY[row] as number) * scale];
      context.strokeRect(x - 1, y - 1, size + 2, size + 2);
    }
    context.globalAlpha = 1;
    context.lineWidth = 1;
    return this.changed.size > 0;
  }

  private drawNames(frame: Frame, size: number): void {
    const { context, layout, palette, topology, text, scale, left, top } = frame;
    this.group(frame);
    text.use(context, `11px ${palette.font}`);
    context.textBaseline = "top";
    // Where what runs has names, the mark is beside the node's own.
    const room = size - (size >= NAMED_PX ? markIn(size, true).size + 2 : 6);
    for (const state of STATES) {
      for (const row of this.buckets.of(state, false)) {
        const [x, y] = [left + (layout.nodeX[row] as number) * scale, top + (layout.nodeY[row] as number) * scale];
        context.fillStyle = palette.onState;
        const name = text.fitting(context, topology.nodes.names[row] ?? "", room, "middle");
        if (name !== "") context.fillText(name, x + 3, y + 3);
        this.drawInstances(frame, row, x, y, size);
      }
    }
  }

  /** What runs on a node: a square each along its lower edge, and its name where there is room. */
  private drawInstances(frame: Frame, node: number, x: number, y: number, size: number): void {
    const { context, palette, topology, text } = frame;
    const rows = this.instancesOf[node];
    if (rows === undefined) return;
    const named = size >= NAMED_PX;
    const step = named ? INSTANCE_PX + 5 : INSTANCE_PX + 2;
    const most = Math.max(1, Math.floor((size - (named ? 22 : 6)) / step));
    const shown = rows.length > most ? rows.slice(0, most - 1) : rows;
    for (const [index, row] of shown.entries()) {
      const [ix, iy] = named ? [x + 3, y + 20 + index * step] : [x + 3 + index * step, y + size - INSTANCE_PX - 3];
      context.fillStyle = palette.ground;
      context.fillRect(ix, iy, INSTANCE_PX, INSTANCE_PX);
      context.fillStyle = palette.states[topology.instances.state[row] as number] as string;
      context.fillRect(ix + 1, iy + 1, INSTANCE_PX - 2, INSTANCE_PX - 2);
      if (!named) continue;
      context.fillStyle = palette.onState;
      context.fillText(text.fitting(context, topology.instances.names[row] ?? "", size - 22, "middle"), ix + INSTANCE_PX + 4, iy - 1);
    }
    if (shown.length < rows.length) {
      context.fillStyle = palette.onState;
      const [ix, iy] = named ? [x + 3, y + 20 + shown.length * step] : [x + 3 + shown.length * step, y + size - INSTANCE_PX - 4];
      context.fillText(`+${rows.length - shown.length}`, ix, iy);
    }
  }

  /** Instances by node, made again when rows came or went. */
  private group(frame: Frame): void {
    const { topology } = frame;
    if (this.instancesAt === topology.structureVersion) return;
    this.instancesAt = topology.structureVersion;
    this.instancesOf = new Array<number[] | undefined>(topology.nodes.limit);
    const { instances } = topology;
    for (let row = 0; row < instances.limit; row += 1) {
      const node = instances.node[row] as number;
      if (instances.has(row) && node >= 0) (this.instancesOf[node] ??= []).push(row);
    }
  }
}

/** Where in a node's square its mark is: all of it, and where names are, what those leave. */
export function markIn(size: number, names: boolean): { readonly x: number; readonly y: number; readonly size: number } {
  if (!names) return { x: 0, y: 0, size };
  if (size >= NAMED_PX) return { x: size - 22, y: -1, size: 22 };
  const side = size * 0.55;
  return { x: (size - side) / 2, y: (size - side) / 2, size: side };
}
