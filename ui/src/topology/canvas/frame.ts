// What one frame is drawn with, handed from layer to layer.

import type { Match } from "../../find/match";
import type { Topology } from "../../live/topology";
import type { Box } from "../boxes";
import type { RegionBox, SiteBox, SlotLayout } from "../layout";
import type { Palette } from "../palette";
import type { Detail, Scene } from "../renderer";
import type { TextWidths } from "./text";

export interface Frame {
  readonly context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;
  readonly scene: Scene;
  readonly topology: Topology;
  readonly layout: SlotLayout;
  readonly match: Match | null;
  readonly palette: Palette;
  readonly detail: Detail;
  /** Pixels of a world unit, and of the world's origin. */
  readonly scale: number;
  readonly left: number;
  readonly top: number;
  /** Pixels of the device of one pixel. */
  readonly ratio: number;
  /** Pixels of the whole. */
  readonly width: number;
  readonly height: number;
  /** Pixels on each side that are drawn though they are not in view yet. */
  readonly margin: number;
  readonly now: number;
  readonly text: TextWidths;
  /** The boxes in view, each region before those within it. */
  readonly regions: readonly RegionBox[];
  readonly sites: readonly SiteBox[];
}

/** Boxes that are in view. */
export function inView(layout: SlotLayout, view: Box): { regions: RegionBox[]; sites: SiteBox[] } {
  const regions: RegionBox[] = [];
  const sites: SiteBox[] = [];
  for (const box of layout.regionBoxes) {
    if (!touches(box, view)) continue;
    regions.push(box);
    for (const site of box.siteBoxes) if (touches(site, view)) sites.push(site);
  }
  return { regions, sites };
}

function touches(box: Box, view: Box): boolean {
  return (
    box.x < view.x + view.width && box.y < view.y + view.height && box.x + box.width > view.x && box.y + box.height > view.y
  );
}

/** Whether a row is to be dimmed, because something is looked for and it is not that. */
export function dimmed(found: Uint8Array | undefined, row: number): boolean {
  return found !== undefined && found[row] !== 1;
}
