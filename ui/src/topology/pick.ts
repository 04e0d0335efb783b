// What is at a point of the world, found through the boxes: no list of everything is gone through.

import type { Place } from "../live/tables";
import type { Box } from "./boxes";
import { type RegionBox, SITE_HEAD, SITE_PAD, type SiteBox, SLOT, type SlotLayout } from "./layout";

/** The node, site or region at a point. `nodes` is false where nodes are too small to be meant. */
export function placeAt(layout: SlotLayout, x: number, y: number, { nodes }: { readonly nodes: boolean }): Place | null {
  // The innermost region comes last: those around it are before it.
  let region: RegionBox | null = null;
  for (const box of layout.regionBoxes) if (holds(box, x, y) && (region === null || box.depth >= region.depth)) region = box;
  if (region === null) return null;
  for (const site of region.siteBoxes) {
    if (!holds(site, x, y)) continue;
    const node = nodes ? nodeIn(site, x, y) : -1;
    return node >= 0 ? { kind: "node", row: node } : { kind: "site", row: site.site };
  }
  return { kind: "region", row: region.region };
}

function nodeIn(box: SiteBox, x: number, y: number): number {
  const column = Math.floor((x - box.x - SITE_PAD) / SLOT);
  const row = Math.floor((y - box.y - SITE_HEAD - SITE_PAD) / SLOT);
  if (column < 0 || row < 0 || column >= box.columns || row >= box.columns) return -1;
  return box.slots[row * box.columns + column] ?? -1;
}

function holds(box: Box, x: number, y: number): boolean {
  return x >= box.x && y >= box.y && x < box.x + box.width && y < box.y + box.height;
}
