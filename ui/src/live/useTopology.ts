// React's view of the live picture: at most four times a second, however fast the stream is. Canvases do not come this
// way: they look at `topology.version` in each frame.

import { createContext, use, useSyncExternalStore } from "react";

import type { FeedStatus, TopologyFeed } from "./feed";
import type { Topology } from "./topology";

/** How often React may see a change, in ms. */
export const READ_EVERY_MS = 250;

/** The picture, its feed, and their pulse for React. */
export class Live {
  private readonly listeners = new Set<() => void>();
  private timer: ReturnType<typeof setInterval> | null = null;
  /** What React compares: counts the ticks that found something changed. */
  private tick = 0;
  private seen = -1;
  private seenStatus: FeedStatus | null = null;

  constructor(
    readonly topology: Topology,
    readonly feed: TopologyFeed,
  ) {
    feed.listen(() => this.look());
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    this.timer ??= setInterval(() => this.look(), READ_EVERY_MS);
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0 && this.timer !== null) {
        clearInterval(this.timer);
        this.timer = null;
      }
    };
  };

  readonly now = (): number => this.tick;

  private look(): void {
    if (this.topology.version === this.seen && this.feed.status === this.seenStatus) return;
    this.seen = this.topology.version;
    this.seenStatus = this.feed.status;
    this.tick += 1;
    for (const listener of this.listeners) listener();
  }
}

export const LiveContext = createContext<Live | null>(null);

/** The live picture, without being drawn again when it changes. */
export function useLive(): Live {
  const live = use(LiveContext);
  if (live === null) throw new Error("there is no live topology above this component");
  return live;
}

/** The live picture; the component is drawn again when it changed, at most four times a second. */
export function useTopology(): Live {
  const live = useLive();
  useSyncExternalStore(live.subscribe, live.now);
  return live;
}

/** The live picture; the component is drawn again when rows came, went or moved, not when they changed. */
export function useStructure(): Live {
  const live = useLive();
  useSyncExternalStore(live.subscribe, () => live.topology.structureVersion);
  return live;
}
