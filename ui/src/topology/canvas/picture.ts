// A picture that was drawn and is kept, with what it shows: it stands until something in it changes.

import type { Match } from "../../find/match";
import type { Place } from "../../live/tables";
import type { Topology } from "../../live/topology";
import type { Camera } from "../camera";
import type { Scene } from "../renderer";

/** From where a picture was seen. */
interface View {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export class Picture {
  readonly canvas = new OffscreenCanvas(1, 1);
  readonly context = contextOf(this.canvas);
  /** Null before the first, and where it is of no more use. */
  view: View | null = null;
  /** The graph's revision that it shows. */
  revision = 0;
  /** Counts the times it was drawn. */
  number = 0;
  /** When it was drawn last, and how long that took, in ms. */
  at = -Infinity;
  took = 0;

  /** The topology's version that it shows. */
  version = -1;
  private camera = -1;
  private links = -1;
  private layout = -1;
  private topology: Topology | null = null;
  private match: Match | null = null;
  private selected: Place | null = null;
  private hovered: Place | null = null;

  /** `around`: so many pixels on each side reach beyond the view. */
  constructor(readonly around: number) {}

  /** Room for a view of this size in CSS pixels; what was drawn stays if it is the same. */
  resize(width: number, height: number, ratio: number): void {
    const [w, h] = [Math.round((width + 2 * this.around) * ratio), Math.round((height + 2 * this.around) * ratio)];
    if (this.canvas.width !== w) this.canvas.width = w;
    if (this.canvas.height !== h) this.canvas.height = h;
  }

  /** It is of no more use, nor is its room. */
  forget(): void {
    this.view = null;
    this.canvas.width = this.canvas.height = 1;
  }

  /** Whether it shows this as it is now, seen from here. */
  isOf(scene: Scene, camera: Camera): boolean {
    return (
      this.version === scene.topology.version &&
      this.isOfPlaces(scene, camera) &&
      same(this.selected, scene.selected) &&
      same(this.hovered, scene.hovered)
    );
  }

  /** Whether what it shows is at the same places and dimmed the same, so that only states within sites may be others. */
  isOfPlaces({ topology, layout, match }: Scene, camera: Camera): boolean {
    return (
      this.view !== null &&
      this.camera === camera.version &&
      this.layout === layout.version &&
      this.links === topology.linksVersion &&
      this.topology === topology &&
      this.match === match
    );
  }

  /** It was drawn. */
  painted(scene: Scene, camera: Camera, { at, took }: { readonly at: number; readonly took: number }): void {
    this.view = { x: camera.x, y: camera.y, scale: camera.scale };
    this.revision = scene.topology.revision;
    this.number += 1;
    this.at = at;
    this.took = took;
    this.camera = camera.version;
    this.version = scene.topology.version;
    this.layout = scene.layout.version;
    this.links = scene.topology.linksVersion;
    this.topology = scene.topology;
    this.match = scene.match;
    this.selected = scene.selected;
    this.hovered = scene.hovered;
  }
}

function same(a: Place | null, b: Place | null): boolean {
  return a === b || (a !== null && b !== null && a.kind === b.kind && a.row === b.row);
}

/** A context without transparency. */
export function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D;
export function contextOf(canvas: OffscreenCanvas): OffscreenCanvasRenderingContext2D;
export function contextOf(
  canvas: HTMLCanvasElement | OffscreenCanvas,
): CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D {
  const context = canvas.getContext("2d", { alpha: false }) as
    | CanvasRenderingContext2D
    | OffscreenCanvasRenderingContext2D
    | null;
  if (context === null) throw new Error("this browser draws no 2D canvas");
  return context;
}
