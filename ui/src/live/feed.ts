// Keeps a topology current: one subscription, taken up again where it was cut. The cursor of the last event is what a
// new connection resumes from, so a cut costs the changes made meanwhile and never a reload; the server says when it
// cannot resume, and sends a snapshot instead.

import type { Client } from "graphql-ws";

import { FORBIDDEN, UNAUTHORIZED, isClose } from "../api/graphql";
import { TOPOLOGY } from "./query";
import type { Delta, Snapshot } from "./tables";
import type { Topology } from "./topology";

/** How the feed stands. `refused` is final: the viewer may not, or the server did not understand. */
export type FeedStatus = "connecting" | "live" | "reconnecting" | "signed-out" | "refused";

type Event =
  | ({ readonly __typename: "TopologySnapshot" } & Snapshot)
  | ({ readonly __typename: "TopologyDelta" } & Delta)
  | { readonly __typename: "TopologyHeartbeat"; readonly revision: number; readonly cursor: string }
  | { readonly __typename: "TopologyResync"; readonly revision: number; readonly reason: string };

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
/** Deltas a second at most: the picture is drawn at frame rate, people read at a few a second. */
const MAX_RATE_HZ = 10;

export interface FeedOptions {
  readonly client: Client;
  readonly topology: Topology;
  readonly clock?: () => number;
  /** Waits so many ms, or less when the signal says so. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

export class TopologyFeed {
  status: FeedStatus = "connecting";
  /** Why it is refused, in the server's words. */
  problem: string | null = null;
  /** When anything was last heard, in ms of the clock. */
  heardAt = 0;
  /** Resyncs that the server asked for. */
  resyncs = 0;
  /** Connections that were taken up again. */
  resumes = 0;

  private cursor: string | null = null;
  private readonly stop = new AbortController();
  private readonly listeners = new Set<() => void>();
  private readonly clock: () => number;

  constructor(private readonly options: FeedOptions) {
    this.clock = options.clock ?? (() => performance.now());
    // A subscription that was taken up again may have nothing to tell for a while: the server is back all the same, and
    // says what it has to say about the cursor before anything else.
    options.client.on("connected", () => {
      this.heardAt = this.clock();
      if (this.cursor !== null) this.become("live");
    });
  }

  /** Told when the status changes. */
  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Follows the graph until `close`, or until it is refused. */
  async run(): Promise<void> {
    const pause = this.options.pause ?? pauseFor;
    let wait = FIRST_PAUSE_MS;
    while (!this.stop.signal.aborted) {
      const heard = this.heardAt;
      const reason = await this.connection();
      if (this.stop.signal.aborted) return;
      if (isClose(reason) && reason.code === UNAUTHORIZED) return this.become("signed-out");
      if (isClose(reason) && reason.code === FORBIDDEN) return this.become("refused", reason.reason);
      if (Array.isArray(reason)) return this.become("refused", messageOf(reason));
      this.become("reconnecting");
      if (this.heardAt !== heard) wait = FIRST_PAUSE_MS;
      // Spread, so that a thousand pages do not come back to a restarted server at one moment.
      await pause(wait * (0.5 + Math.random()), this.stop.signal);
      wait = Math.min(wait * 2, LONGEST_PAUSE_MS);
      this.resumes += 1;
    }
  }

  close(): void {
    this.stop.abort();
  }

  /** One subscription; what ended it. */
  private connection(): Promise<unknown> {
    return new Promise((resolve) => {
      const variables = { after: this.cursor, maxRateHz: MAX_RATE_HZ };
      let over = false;
      const end = (reason: unknown) => {
        if (over) return;
        over = true;
        this.stop.signal.removeEventListener("abort", stopped);
        unsubscribe();
        resolve(reason);
      };
      const stopped = () => end(null);
      const unsubscribe = this.options.client.subscribe<{ topology: Event }>(
        { query: TOPOLOGY, variables },
        {
          next: (result) => {
            if (over) return;
            if (result.errors && result.errors.length > 0) end([...result.errors]);
            else if (result.data && !this.take(result.data.topology)) end(null);
          },
          error: end,
          complete: () => end(null),
        },
      );
      this.stop.signal.addEventListener("abort", stopped);
    });
  }

  /** Takes an event; false when the subscription must begin again. */
  private take(event: Event): boolean {
    this.heardAt = this.clock();
    const { topology } = this.options;
    switch (event.__typename) {
      case "TopologySnapshot":
        topology.load(event);
        this.cursor = event.cursor;
        break;
      case "TopologyDelta":
        if (!topology.apply(event)) {
          this.cursor = null;
          return false;
        }
        this.cursor = event.cursor;
        break;
      case "TopologyHeartbeat":
        topology.confirm(event.revision);
        this.cursor = event.cursor;
        break;
      case "TopologyResync":
        this.resyncs += 1;
        break;
    }
    if (this.status !== "live") this.become("live");
    return true;
  }

  private become(status: FeedStatus, problem: string | null = null): void {
    this.status = status;
    this.problem = problem;
    for (const listener of this.listeners) listener();
  }
}

function messageOf(errors: readonly unknown[]): string {
  const first = errors[0];
  return typeof first === "object" && first !== null && "message" in first ? String(first.message) : String(first);
}

function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
