// Draws the map when something in it has changed. The earth's shapes take the longest: they are kept as a picture, which is
// shifted and scaled while one moves, and drawn anew every so often.

import type { Match } from "../find/match";
import type { Place } from "../live/tables";
import type { Topology } from "../live/topology";
import { Taken } from "../topology/canvas/taken";
import { type Cluster, clusters, radiusOf } from "./clusters";
import { type Context, drawClusters, drawEarth, drawMapLinks, type Label, type MapPalette, readMapPalette } from "./draw";
import { drawReached, drawSelected, drawServed, edgeOf } from "./drawReach";
import type { Earth } from "./earth";
import { blockClusters, nameOthers, nameSelected, type PlacedName } from "./names";
import { sitesOf } from "./places";
import { type MapView, projectAll } from "./projection";
import type { Reach } from "./reach";
import type { MapStage } from "./stage";

/** While moving, the earth is drawn anew at most so often; in between, the last one is shifted. */
const EARTH_EVERY_MS = 140;

export interface MapScene {
  readonly match: Match | null;
  readonly selected: Place | null;
  readonly reach: Reach | null;
  readonly showLinks: boolean;
  readonly showWaypoints: boolean;
}

export class MapPainter {
  /** Each site on the plane, as `projectAll` gives it. */
  points: Float64Array = new Float64Array(0);
  private shown: readonly Cluster[] = [];
  private earth: Earth | null = null;
  private palette: MapPalette | null = null;
  private drawnEarth: { readonly view: MapView; readonly at: number } | null = null;
  private positions = -1;
  private seen: { readonly version: number; readonly scene: MapScene | null; readonly view: MapView | null } = NOTHING;
  private ratio = 1;
  private readonly context: Context;
  private readonly still = new OffscreenCanvas(1, 1);
  private readonly stillContext: Context;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly stage: MapStage,
    private readonly topology: Topology,
  ) {
    this.context = opaque(canvas.getContext("2d", { alpha: false }));
    this.stillContext = opaque(this.still.getContext("2d", { alpha: false }));
  }

  /** The shapes of the earth have come. */
  take(earth: Earth): void {
    this.earth = earth;
    this.forget();
  }

  /** Colours are read again. */
  restyle(): void {
    this.palette = null;
    this.forget();
  }

  resize(width: number, height: number, ratio: number): void {
    this.stage.resize(width, height);
    this.ratio = ratio;
    for (const each of [this.canvas, this.still]) {
      each.width = Math.max(1, Math.round(width * ratio));
      each.height = Math.max(1, Math.round(height * ratio));
    }
    this.forget();
  }

  /** Draws a frame, if it would be another than the last. */
  draw(scene: MapScene, now: number): void {
    const { topology, stage } = this;
    if (topology.revision === 0 || !stage.sized) return;
    if (this.positions !== topology.positionsVersion) {
      this.positions = topology.positionsVersion;
      this.points = projectAll(topology.sites.longitude, topology.sites.latitude, topology.sites.limit);
      stage.lookFirst(this.points);
    }
    const { view } = stage;
    const moved = view !== this.seen.view;
    if (!moved && scene === this.seen.scene && topology.version === this.seen.version) return;
    this.palette ??= readMapPalette();
    const behind = this.showEarth(view, this.palette, { moved, now });
    this.context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.drawThings(scene, view, this.palette);
    this.seen = { version: topology.version, scene: behind ? null : scene, view };
  }

  /** The cluster at a pixel. */
  clusterAt(px: number, py: number): Cluster | null {
    const away = (one: Cluster) => Math.hypot(one.x - px, one.y - py);
    const at = this.shown.filter((one) => away(one) <= radiusOf(one) + 3);
    return at.sort((a, b) => away(a) - away(b))[0] ?? null;
  }

  private forget(): void {
    this.drawnEarth = null;
    this.seen = NOTHING;
  }

  /** Shows the earth; true where it is the one of another view, so that it is to be drawn again. */
  private showEarth(view: MapView, palette: MapPalette, { moved, now }: { readonly moved: boolean; readonly now: number }): boolean {
    const { context, still, stillContext, canvas, ratio } = this;
    const last = this.drawnEarth;
    let shown = last?.view ?? view;
    if (last === null || (last.view !== view && (!moved || now - last.at > EARTH_EVERY_MS))) {
      stillContext.setTransform(ratio, 0, 0, ratio, 0, 0);
      stillContext.fillStyle = palette.sea;
      stillContext.fillRect(0, 0, still.width, still.height);
      if (this.earth) drawEarth(stillContext, view, this.earth, palette);
      this.drawnEarth = { view, at: now };
      shown = view;
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = palette.sea;
    context.fillRect(0, 0, canvas.width, canvas.height);
    const by = view.scale / shown.scale;
    context.drawImage(still, (view.x - shown.x * by) * ratio, (view.y - shown.y * by) * ratio, still.width * by, still.height * by);
    return shown !== view;
  }

  private drawThings({ match, selected, reach, showLinks, showWaypoints }: MapScene, view: MapView, palette: MapPalette): void {
    const { context, topology, points, stage } = this;
    // What a deployment reaches is found, unless something else is looked for.
    const reached = reach && reachedIn(topology, reach);
    const found = match?.leadingSites ?? reached;
    const foundLinks = match?.links ?? (reach && new Uint8Array(topology.links.limit));
    const chosen = selected === null || selected.kind === "region" ? [] : sitesOf(topology, selected);
    const focus = selected?.kind === "site" ? selected.row : -1;
    this.shown = clusters(topology, points, view, stage, { found, waypoints: showWaypoints, selected: chosen });
    const links = showLinks ? drawMapLinks(context, { topology, points, view, found: foundLinks, focus, palette }) : [];
    const scene = { topology, points, view, palette, shown: this.shown };
    const served = reach ? drawServed(context, reach, scene) : [];
    drawClusters(context, this.shown, palette, topology);
    if (reach !== null) drawReached(context, reach, scene);
    drawSelected(context, chosen, scene);
    context.font = `11px ${palette.font}`;
    context.textBaseline = "middle";
    const width = (text: string) => context.measureText(text).width;
    const around = (one: Cluster) => ({
      selected: one.sites.some((row) => chosen.includes(row)),
      reached: reached !== null && one.sites.some((row) => reached[row] === 1),
    });
    const edge = (one: Cluster) => edgeOf(one, around(one));
    const naming = { topology, edge, size: stage, finding: found !== null, selected: chosen, taken: new Taken(), width };
    // Of what was asked for by hand, all that does not lie over its like; of the rest what there is room for.
    for (const label of served) this.label(label, naming.taken, palette);
    blockClusters(this.shown, naming);
    this.write(nameSelected(this.shown, naming), palette);
    for (const label of links) this.label(label, naming.taken, palette);
    this.write(nameOthers(this.shown, naming), palette);
  }

  private write(names: readonly PlacedName[], palette: MapPalette): void {
    const { context } = this;
    context.lineWidth = 3;
    context.lineJoin = "round";
    context.strokeStyle = palette.land;
    context.fillStyle = palette.text;
    for (const { text, x, y } of names) {
      context.strokeText(text, x, y);
      context.fillText(text, x, y);
    }
    context.lineWidth = 1;
  }

  /** Words on a line, where nothing stands. */
  private label({ x, y, text }: Label, taken: Taken, palette: MapPalette): void {
    const { context } = this;
    const width = context.measureText(text).width;
    const left = x - width / 2;
    if (!taken.take(left - 3, y - 8, width + 6, 16)) return;
    context.fillStyle = palette.ground;
    context.fillRect(left - 3, y - 8, width + 6, 16);
    context.fillStyle = palette.text;
    context.fillText(text, left, y);
  }
}

const NOTHING = { version: -1, scene: null, view: null } as const;

/** 1 for each site that a deployment is at. */
function reachedIn({ sites }: Topology, { siteIds }: Reach): Uint8Array {
  const reached = new Uint8Array(sites.limit);
  for (const row of siteIds.map((id) => sites.rowOf(id))) if (row >= 0) reached[row] = 1;
  return reached;
}

function opaque<C extends Context>(context: C | null): C {
  if (context === null) throw new Error("this browser draws no 2D canvas");
  return context;
}
