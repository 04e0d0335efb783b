// The earth as a plane that can be moved and zoomed. Natural Earth's projection as a whole; nearer, Mercator about the
// middle of the view would be truer to angles, but a map that changes its shape while one zooms is hard to follow.

import { geoNaturalEarth1, geoPath, type GeoPermissibleObjects, type GeoProjection } from "d3-geo";

export interface MapView {
  /** Pixels of the projected plane's unit, and where its origin is. */
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

export const WHOLE_EARTH = { type: "Sphere" } as const;
const CLOSEST = 40_000;
const MARGIN_PX = 40;

/** The projection of a view; `scale` 1 is a radian a pixel. */
export function projectionOf(view: MapView): GeoProjection {
  return geoNaturalEarth1().scale(view.scale).translate([view.x, view.y]).precision(0.3);
}

/** Each point on the plane with scale 1 and no shift: what a view scales and shifts, so that it is projected once. */
export function projectAll(longitude: Float64Array, latitude: Float64Array, count: number): Float64Array {
  const project = geoNaturalEarth1().scale(1).translate([0, 0]);
  const points = new Float64Array(count * 2).fill(NaN);
  for (let row = 0; row < count; row += 1) {
    const [lon, lat] = [longitude[row] as number, latitude[row] as number];
    if (Number.isNaN(lon) || Number.isNaN(lat)) continue;
    const at = project([lon, lat]);
    if (at) {
      points[row * 2] = at[0];
      points[row * 2 + 1] = at[1];
    }
  }
  return points;
}

/** The view in which all points are seen, or the whole earth when there are none. */
export function fitPoints(points: Float64Array, width: number, height: number): MapView {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < points.length; at += 2) {
    const [x, y] = [points[at] as number, points[at + 1] as number];
    if (Number.isNaN(x)) continue;
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
  }
  if (left > right) return wholeEarth(width, height);
  const room = (size: number) => Math.max(1, size - 2 * MARGIN_PX);
  const scale = Math.min(room(width) / Math.max(right - left, 0.02), room(height) / Math.max(bottom - top, 0.02), CLOSEST);
  return { scale, x: width / 2 - ((left + right) / 2) * scale, y: height / 2 - ((top + bottom) / 2) * scale };
}

export function wholeEarth(width: number, height: number): MapView {
  const fitted = geoNaturalEarth1().fitExtent(
    [
      [10, 10],
      [width - 10, height - 10],
    ],
    WHOLE_EARTH,
  );
  const [x, y] = fitted.translate();
  return { scale: fitted.scale(), x, y };
}

/** Zooms about a pixel. */
export function zoomed(view: MapView, factor: number, px: number, py: number, least: number): MapView {
  const scale = Math.min(CLOSEST, Math.max(least, view.scale * factor));
  const by = scale / view.scale;
  return { scale, x: px - (px - view.x) * by, y: py - (py - view.y) * by };
}

export function moved(view: MapView, dx: number, dy: number): MapView {
  return { scale: view.scale, x: view.x + dx, y: view.y + dy };
}

/** Traces shapes of the earth on a context. */
export function tracer(view: MapView, context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D) {
  const path = geoPath(projectionOf(view), context as CanvasRenderingContext2D);
  return (shape: GeoPermissibleObjects) => path(shape);
}
