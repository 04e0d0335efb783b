// Where one looks from: the world point in the middle of the picture, and the pixels of a world unit.

import type { Box } from "./boxes";

export const CLOSEST = 16;
/** Of the scale at which everything fits: one can step back a little further than that. */
const FURTHEST_OF_FIT = 0.6;
const MARGIN_PX = 24;

/** From where one looks. */
export interface View {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export class Camera {
  x = 0;
  y = 0;
  /** Pixels of a world unit. */
  scale = 1;
  width = 1;
  height = 1;
  /** Counts moves: who draws compares it with the one that was drawn. */
  version = 0;
  /** The scale at which everything fits. */
  private fitScale = 0.01;

  /** The size of the picture in CSS pixels. */
  resize(width: number, height: number): void {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    this.version += 1;
  }

  /** Shows a whole box. */
  fit(box: Box): void {
    this.scale = this.clamped(this.scaleOf(box));
    this.x = box.x + box.width / 2;
    this.y = box.y + box.height / 2;
    this.version += 1;
  }

  /** Looks from where one has looked before. */
  look({ x, y, scale }: View): void {
    this.scale = this.clamped(scale);
    this.x = x;
    this.y = y;
    this.version += 1;
  }

  /** Remembers the extent of everything, for how far one can step back. The view stays as it is. */
  bounds(box: Box): void {
    this.fitScale = this.scaleOf(box);
  }

  /** Moves the picture by pixels. */
  pan(dx: number, dy: number): void {
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
    this.version += 1;
  }

  /** Zooms by a factor about a pixel, which keeps its place in the world. */
  zoom(factor: number, px = this.width / 2, py = this.height / 2): void {
    const [wx, wy] = this.toWorld(px, py);
    this.scale = this.clamped(this.scale * factor);
    this.x = wx - (px - this.width / 2) / this.scale;
    this.y = wy - (py - this.height / 2) / this.scale;
    this.version += 1;
  }

  toWorld(px: number, py: number): [number, number] {
    return [this.x + (px - this.width / 2) / this.scale, this.y + (py - this.height / 2) / this.scale];
  }

  toPixels(wx: number, wy: number): [number, number] {
    return [(wx - this.x) * this.scale + this.width / 2, (wy - this.y) * this.scale + this.height / 2];
  }

  /** What is in view, with a margin of so many pixels around it. */
  view(margin = 0): Box {
    const [x, y] = this.toWorld(-margin, -margin);
    return { x, y, width: (this.width + 2 * margin) / this.scale, height: (this.height + 2 * margin) / this.scale };
  }

  private scaleOf(box: Box): number {
    const room = (size: number) => Math.max(1, size - 2 * MARGIN_PX);
    return Math.min(room(this.width) / Math.max(box.width, 1), room(this.height) / Math.max(box.height, 1));
  }

  private clamped(scale: number): number {
    return Math.min(CLOSEST, Math.max(Math.min(this.fitScale * FURTHEST_OF_FIT, CLOSEST), scale));
  }
}
