// What draws a topology. The page knows this much of it, so that another way to draw (a GPU's) can be put in its place.

import type { Match } from "../find/match";
import type { Place } from "../live/tables";
import type { Topology } from "../live/topology";
import type { Camera } from "./camera";
import type { Caption } from "./caption";
import type { SlotLayout } from "./layout";

/** What is to be seen. */
export interface Scene {
  readonly topology: Topology;
  readonly layout: SlotLayout;
  /** What was looked for; the rest is dimmed. */
  readonly match: Match | null;
  readonly selected: Place | null;
  readonly hovered: Place | null;
  /** Whether a change may flash. */
  readonly motion: boolean;
}

/** How much is drawn: by the pixels of a node's slot. */
export type Detail = "regions" | "sites" | "nodes" | "glyphs" | "names";

export interface Renderer {
  /** The graph's revision of the picture that is shown, which may be a recent one while the camera moves. */
  readonly shownRevision: number;
  /** The picture's size in CSS pixels and the device's pixels of one. */
  resize(width: number, height: number, ratio: number): void;
  /** Colours and fonts are read again before the next frame. */
  restyle(): void;
  /**
   * Draws a frame; `moving` while the camera is being moved, when a recent picture may stand in. True when a further frame
   * is wanted though nothing changes.
   */
  draw(scene: Scene, camera: Camera, now: number, moving: boolean): boolean;
  /** What is at a pixel. */
  pick(scene: Scene, camera: Camera, px: number, py: number): Place | null;
  /** The current picture as a PNG, with a caption below. */
  toPng(caption: Caption): Promise<Blob>;
  dispose(): void;
}

/** The detail that is drawn at a scale. */
export function detailAt(slotPixels: number): Detail {
  if (slotPixels >= 44) return "names";
  if (slotPixels >= 8) return "glyphs";
  if (slotPixels >= 2.2) return "nodes";
  if (slotPixels >= 0.35) return "sites";
  return "regions";
}
