// From where one looks at the map, and what of it is shown, apart from the page: whoever goes to another page and comes back
// finds it as it was. All sites are shown at first, as soon as there are any and a size to show them in.

import type { Live } from "../live/useTopology";
import { fitPoints, type MapView, moved, wholeEarth, zoomed } from "./projection";

/** Of the scale of the whole earth: one can step back a little further than that. */
const FURTHEST = 0.8;
/** The scale at which a site is shown among its neighbours: a hundred kilometres are some hundred pixels. */
const NEAR = 8_000;

export class MapStage {
  width = 1;
  height = 1;
  links = true;
  waypoints = false;
  private looked: MapView | null = null;
  private fitted = false;

  /** From where one looks now; the whole earth while nothing has a position. */
  get view(): MapView {
    return (this.looked ??= wholeEarth(this.width, this.height));
  }

  /** Whether the picture has a size. */
  get sized(): boolean {
    return this.width > 1 && this.height > 1;
  }

  /** The picture has this size now: what was in its middle stays there. */
  resize(width: number, height: number): void {
    if (width <= 1 || height <= 1) return;
    if (this.looked !== null) {
      this.looked = this.sized ? moved(this.looked, (width - this.width) / 2, (height - this.height) / 2) : null;
    }
    [this.width, this.height] = [width, height];
  }

  /** Shows all points, the first time that there are any. */
  lookFirst(points: Float64Array): void {
    if (this.fitted || !this.sized || !points.some((value) => !Number.isNaN(value))) return;
    this.fitted = true;
    this.fit(points);
  }

  /** Shows all of these points. */
  fit(points: Float64Array): void {
    this.looked = fitPoints(points, this.width, this.height);
  }

  /** Shows where something is, near enough to see what is about it; further off than that only where it is larger. */
  show(points: Float64Array): void {
    const fitted = fitPoints(points, this.width, this.height);
    const nearest = Math.min(fitted.scale, Math.max(this.view.scale, NEAR));
    this.looked = zoomed(fitted, nearest / fitted.scale, this.width / 2, this.height / 2, 0);
  }

  pan(dx: number, dy: number): void {
    this.looked = moved(this.view, dx, dy);
  }

  /** Zooms about a pixel, or about the middle. */
  zoom(factor: number, px = this.width / 2, py = this.height / 2): void {
    this.looked = zoomed(this.view, factor, px, py, wholeEarth(this.width, this.height).scale * FURTHEST);
  }
}

const stages = new WeakMap<Live, MapStage>();

/** The stage of a live picture, the same for as long as the document stands. */
export function mapStageOf(live: Live): MapStage {
  let stage = stages.get(live);
  if (stage === undefined) {
    stage = new MapStage();
    stages.set(live, stage);
  }
  return stage;
}
