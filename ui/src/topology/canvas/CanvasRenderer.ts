// The topology on a 2D canvas. Without a GPU, which is how most operators' terminals and all their jump hosts are, this is
// ten times as fast as any WebGL library at five thousand nodes.
//
// A whole picture is drawn when something changed. While the camera moves, the last whole picture stands in, shifted and
// scaled, and a new one is made only every so often: fifty thousand nodes are not drawn sixty times a second for somebody
// who is on the way elsewhere.

import type { Place } from "../../live/topology";
import type { Camera } from "../camera";
import { SLOT } from "../layout";
import { type Palette, readPalette } from "../palette";
import { placeAt } from "../pick";
import { detailAt, type Renderer, type Scene } from "../renderer";
import { drawRegions, drawSites } from "./boxes";
import { type Frame, inView } from "./frame";
import { drawRegionNames, drawSiteNames } from "./labels";
import { LinkLayer } from "./links";
import { NodeLayer } from "./nodes";
import { TextWidths } from "./text";

/** Around what is in view so many pixels are drawn as well, so that a move has something to show. */
const MARGIN_PX = 160;
/** While moving, a whole picture at most so often; seldomer still where it takes long. */
const WHOLE_EVERY_MS = 120;
const WHOLE_SHARE = 4;

interface Whole {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export class CanvasRenderer implements Renderer {
  shownRevision = 0;
  private readonly context: CanvasRenderingContext2D;
  private readonly still: OffscreenCanvas;
  private readonly stillContext: OffscreenCanvasRenderingContext2D;
  private readonly nodes = new NodeLayer();
  private readonly links = new LinkLayer();
  private readonly text = new TextWidths();
  private palette: Palette | null = null;
  private width = 1;
  private height = 1;
  private ratio = 1;
  private whole: Whole | null = null;
  private wholeAt = -Infinity;
  private wholeTook = 0;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.context = contextOf(canvas);
    this.still = new OffscreenCanvas(1, 1);
    this.stillContext = contextOf(this.still);
  }

  resize(width: number, height: number, ratio: number): void {
    [this.width, this.height, this.ratio] = [Math.max(1, width), Math.max(1, height), ratio];
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.still.width = Math.round((this.width + 2 * MARGIN_PX) * ratio);
    this.still.height = Math.round((this.height + 2 * MARGIN_PX) * ratio);
    this.whole = null;
  }

  restyle(): void {
    this.palette = null;
    this.text.clear();
    this.whole = null;
  }

  draw(scene: Scene, camera: Camera, now: number, moving: boolean): boolean {
    const since = now - this.wholeAt;
    const due = since >= Math.max(WHOLE_EVERY_MS, this.wholeTook * WHOLE_SHARE);
    if (moving && this.whole !== null && !due) {
      this.show(camera, this.whole);
      return true;
    }
    const began = performance.now();
    const again = this.drawWhole(scene, camera, now);
    this.wholeTook = performance.now() - began;
    this.wholeAt = now;
    this.show(camera, this.whole as Whole);
    return again;
  }

  pick(scene: Scene, camera: Camera, px: number, py: number): Place | null {
    const [x, y] = camera.toWorld(px, py);
    const detail = detailAt(SLOT * camera.scale);
    return placeAt(scene.layout, x, y, { nodes: detail !== "sites" && detail !== "regions" && SLOT * camera.scale >= 4 });
  }

  toPng(): Promise<Blob> {
    return new Promise((resolve, reject) => {
      this.canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture could not be encoded"))), "image/png");
    });
  }

  dispose(): void {
    this.canvas.width = this.canvas.height = 1;
    this.still.width = this.still.height = 1;
  }

  private drawWhole(scene: Scene, camera: Camera, now: number): boolean {
    this.palette ??= readPalette();
    const context = this.stillContext;
    const { topology, layout, match } = scene;
    const frame: Frame = {
      context,
      scene,
      topology,
      layout,
      match,
      palette: this.palette,
      detail: detailAt(SLOT * camera.scale),
      scale: camera.scale,
      left: camera.width / 2 - camera.x * camera.scale + MARGIN_PX,
      top: camera.height / 2 - camera.y * camera.scale + MARGIN_PX,
      width: this.width + 2 * MARGIN_PX,
      height: this.height + 2 * MARGIN_PX,
      margin: MARGIN_PX,
      now,
      text: this.text,
      ...inView(layout, camera.view(MARGIN_PX)),
      again: false,
    };
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.fillStyle = this.palette.ground;
    context.fillRect(0, 0, frame.width, frame.height);
    drawRegions(frame);
    drawSites(frame);
    this.links.draw(frame);
    this.nodes.draw(frame);
    drawSiteNames(frame);
    drawRegionNames(frame);
    drawOutline(frame, scene.hovered, 1.5, true);
    drawOutline(frame, scene.selected, 3, false);
    this.shownRevision = topology.revision;
    this.whole = { x: camera.x, y: camera.y, scale: camera.scale };
    return frame.again;
  }

  /** Puts the last whole picture where the camera sees it now. */
  private show(camera: Camera, whole: Whole): void {
    const { context, ratio } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    if (whole.x === camera.x && whole.y === camera.y && whole.scale === camera.scale) {
      context.drawImage(this.still, -MARGIN_PX * ratio, -MARGIN_PX * ratio);
      return;
    }
    const factor = camera.scale / whole.scale;
    const x = (whole.x - camera.x) * camera.scale + (camera.width / 2) * (1 - factor) - MARGIN_PX * factor;
    const y = (whole.y - camera.y) * camera.scale + (camera.height / 2) * (1 - factor) - MARGIN_PX * factor;
    context.fillStyle = (this.palette ??= readPalette()).ground;
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingEnabled = false;
    context.drawImage(
      this.still,
      Math.round(x * ratio),
      Math.round(y * ratio),
      this.still.width * factor,
      this.still.height * factor,
    );
  }
}

function drawOutline(frame: Frame, place: Place | null, width: number, dashed: boolean): void {
  if (place === null) return;
  const { context, layout, palette, scale, left, top } = frame;
  context.strokeStyle = palette.accent;
  context.lineWidth = width;
  context.setLineDash(dashed ? [4, 3] : []);
  const outline = (x: number, y: number, w: number, h: number) =>
    context.strokeRect(left + x * scale - 1, top + y * scale - 1, w * scale + 2, h * scale + 2);
  if (place.kind === "node" && !Number.isNaN(layout.nodeX[place.row] ?? NaN)) {
    outline(layout.nodeX[place.row] as number, layout.nodeY[place.row] as number, SLOT * 0.84, SLOT * 0.84);
  } else if (place.kind === "site") {
    for (const box of layout.siteBoxes[place.row] ?? []) outline(box.x, box.y, box.width, box.height);
  } else if (place.kind === "region") {
    for (const box of layout.boxesOfRegion(place.row)) outline(box.x, box.y, box.width, box.height);
  }
  context.setLineDash([]);
  context.lineWidth = 1;
}

function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D;
function contextOf(canvas: OffscreenCanvas): OffscreenCanvasRenderingContext2D;
function contextOf(
  canvas: HTMLCanvasElement | OffscreenCanvas,
): CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D {
  const context = canvas.getContext("2d", { alpha: false }) as
    | CanvasRenderingContext2D
    | OffscreenCanvasRenderingContext2D
    | null;
  if (context === null) throw new Error("this browser draws no 2D canvas");
  return context;
}
