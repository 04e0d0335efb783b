// The topology on a 2D canvas. Without a GPU, which is how most operators' terminals and all their jump hosts are, this is
// ten times as fast as any WebGL library at five thousand nodes.
//
// A picture is drawn when something in it changed, and kept. Places are kept apart from the names over them: where only
// states have changed, the sites that have are drawn again and no others. What has just changed is outlined over the kept
// picture, a few times a second. While the camera moves, a picture that reaches a little beyond the view stands in, shifted
// and scaled, and a new one is made only every so often: fifty thousand nodes are not drawn sixty times a second for
// somebody who is on the way elsewhere.

import type { Place } from "../../live/tables";
import type { Camera } from "../camera";
import type { Caption } from "../caption";
import { captioned } from "../captioned";
import { SLOT } from "../layout";
import { type Palette, readPalette } from "../palette";
import { placeAt } from "../pick";
import { detailAt, type Renderer, type Scene } from "../renderer";
import { drawRegions, drawSites, pixelsOf } from "./boxes";
import { type Frame, inView } from "./frame";
import { drawRegionNames, drawSiteNames } from "./labels";
import { LinkLayer } from "./links";
import { NodeLayer } from "./nodes";
import { contextOf, Picture } from "./picture";
import { Taken } from "./taken";
import { TextWidths } from "./text";

/** While moving, so many pixels around what is in view are drawn as well, so that a move has something to show. */
const AROUND_PX = 160;
/** While moving, a picture at most so often; seldomer still where it takes long. */
const PICTURE_EVERY_MS = 120;
const PICTURE_SHARE = 4;
/** Of the sites in view; if more of them have changed, all are drawn. */
const MOST_AGAIN = 0.5;
/** Outlines of what has just changed fade in steps. */
const FLASH_EVERY_MS = 60;

export class CanvasRenderer implements Renderer {
  shownRevision = 0;
  private readonly context: CanvasRenderingContext2D;
  private readonly places = new Picture(0);
  private readonly still = new Picture(0);
  private readonly ahead = new Picture(AROUND_PX);
  private readonly nodes = new NodeLayer();
  private readonly links = new LinkLayer();
  private readonly text = new TextWidths();
  private palette: Palette | null = null;
  private width = 1;
  private height = 1;
  private ratio = 1;
  private flashing = false;
  private flashedAt = -Infinity;
  /** What the canvas shows, so that nothing is done to show it again. */
  private shown: { readonly picture: Picture; readonly number: number; readonly camera: number } | null = null;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.context = contextOf(canvas);
  }

  resize(width: number, height: number, ratio: number): void {
    [this.width, this.height, this.ratio] = [Math.max(1, width), Math.max(1, height), ratio];
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.forget();
  }

  restyle(): void {
    this.palette = null;
    this.text.clear();
    this.forget();
  }

  draw(scene: Scene, camera: Camera, now: number, moving: boolean): boolean {
    if (moving) {
      this.drawMoving(scene, camera, now);
      return true;
    }
    const { still } = this;
    if (!still.isOf(scene, camera)) {
      this.paintPlaces(scene, camera, now);
      this.paintStill(scene, camera, now);
      this.flashing = true;
    } else if (!this.flashing && this.shows(still, camera)) return false;
    else if (now - this.flashedAt < FLASH_EVERY_MS) return true;
    this.show(still, camera);
    this.flashing = this.nodes.drawFlashes(this.frame({ context: this.context, around: 0 }, scene, camera, now));
    this.flashedAt = now;
    return this.flashing;
  }

  pick(scene: Scene, camera: Camera, px: number, py: number): Place | null {
    const [x, y] = camera.toWorld(px, py);
    const detail = detailAt(SLOT * camera.scale);
    return placeAt(scene.layout, x, y, { nodes: detail !== "sites" && detail !== "regions" && SLOT * camera.scale >= 4 });
  }

  toPng(caption: Caption): Promise<Blob> {
    return captioned(this.canvas, caption);
  }

  dispose(): void {
    this.canvas.width = this.canvas.height = 1;
    this.forget();
  }

  private forget(): void {
    this.places.forget();
    this.still.forget();
    this.ahead.forget();
    this.shown = null;
  }

  private drawMoving(scene: Scene, camera: Camera, now: number): void {
    const { ahead } = this;
    const due = now - ahead.at >= Math.max(PICTURE_EVERY_MS, ahead.took * PICTURE_SHARE);
    if (ahead.view === null || (due && !ahead.isOf(scene, camera))) {
      this.paintAhead(scene, camera, now);
    } else if (this.shows(ahead, camera)) return;
    this.show(ahead, camera);
  }

  /** Draws what is at the places, or again where it is another now. */
  private paintPlaces(scene: Scene, camera: Camera, now: number): void {
    const { places } = this;
    const began = performance.now();
    if (!places.isOfPlaces(scene, camera)) places.view = null;
    places.resize(this.width, this.height, this.ratio);
    const frame = this.frame(places, scene, camera, now);
    const { toldAt } = scene.topology.sites;
    const told = places.view === null ? frame.sites : frame.sites.filter((box) => (toldAt[box.site] as number) > places.version);
    if (told.length > frame.sites.length * MOST_AGAIN || places.view === null) this.drawPlaces(frame);
    else if (told.length > 0) this.drawAgain({ ...frame, sites: told });
    places.painted(scene, camera, { at: now, took: performance.now() - began });
  }

  private paintStill(scene: Scene, camera: Camera, now: number): void {
    const { still } = this;
    still.resize(this.width, this.height, this.ratio);
    still.context.setTransform(1, 0, 0, 1, 0, 0);
    still.context.drawImage(this.places.canvas, 0, 0);
    this.drawOver(this.frame(still, scene, camera, now));
    still.painted(scene, camera, { at: now, took: 0 });
  }

  private paintAhead(scene: Scene, camera: Camera, now: number): void {
    const { ahead } = this;
    const began = performance.now();
    ahead.resize(this.width, this.height, this.ratio);
    const frame = this.frame(ahead, scene, camera, now);
    this.drawPlaces(frame);
    this.drawOver(frame);
    this.nodes.drawFlashes(frame);
    ahead.painted(scene, camera, { at: now, took: performance.now() - began });
  }

  /** Regions, sites, links and nodes. */
  private drawPlaces(frame: Frame): void {
    const { context, palette, ratio } = frame;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = palette.ground;
    context.fillRect(0, 0, frame.width, frame.height);
    drawRegions(frame);
    drawSites(frame);
    this.links.draw(frame);
    this.nodes.draw(frame);
  }

  /** The frame's sites, and the parts of links that run over them. */
  private drawAgain(frame: Frame): void {
    const { context } = frame;
    context.save();
    context.beginPath();
    for (const box of frame.sites) {
      const { x, y, width, height } = pixelsOf(frame, box);
      context.rect(x, y, width, height);
    }
    context.clip();
    drawSites(frame, { again: true });
    this.links.draw(frame);
    this.nodes.draw(frame, { again: true });
    context.restore();
  }

  /** What stands over the places: what is focused, and names. */
  private drawOver(frame: Frame): void {
    const { context, scene, ratio } = frame;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const taken = new Taken();
    const focused = this.links.drawFocus(frame);
    drawSiteNames(frame);
    drawRegionNames(frame, taken);
    this.links.drawLatencies(frame, focused, taken);
    drawOutline(frame, scene.hovered, 1.5, true);
    drawOutline(frame, scene.selected, 3, false);
  }

  private frame({ context, around }: Pick<Picture, "around"> & Pick<Frame, "context">, scene: Scene, camera: Camera, now: number): Frame {
    const { topology, layout, match } = scene;
    return {
      context,
      scene,
      topology,
      layout,
      match,
      palette: (this.palette ??= readPalette()),
      detail: detailAt(SLOT * camera.scale),
      scale: camera.scale,
      left: camera.width / 2 - camera.x * camera.scale + around,
      top: camera.height / 2 - camera.y * camera.scale + around,
      ratio: this.ratio,
      width: this.width + 2 * around,
      height: this.height + 2 * around,
      margin: around,
      now,
      text: this.text,
      ...inView(layout, camera.view(around)),
    };
  }

  private shows(picture: Picture, camera: Camera): boolean {
    const { shown } = this;
    return shown?.picture === picture && shown.number === picture.number && shown.camera === camera.version;
  }

  /** Puts a picture where the camera sees it now. */
  private show(picture: Picture, camera: Camera): void {
    const { context, ratio } = this;
    const { view, around, canvas } = picture;
    if (view === null) return;
    this.shown = { picture, number: picture.number, camera: camera.version };
    this.shownRevision = picture.revision;
    context.setTransform(1, 0, 0, 1, 0, 0);
    if (view.x === camera.x && view.y === camera.y && view.scale === camera.scale) {
      context.drawImage(canvas, -around * ratio, -around * ratio);
    } else {
      const factor = camera.scale / view.scale;
      const x = (view.x - camera.x) * camera.scale + (camera.width / 2) * (1 - factor) - around * factor;
      const y = (view.y - camera.y) * camera.scale + (camera.height / 2) * (1 - factor) - around * factor;
      context.fillStyle = (this.palette ??= readPalette()).ground;
      context.fillRect(0, 0, this.canvas.width, this.canvas.height);
      context.imageSmoothingEnabled = false;
      context.drawImage(canvas, Math.round(x * ratio), Math.round(y * ratio), canvas.width * factor, canvas.height * factor);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
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
