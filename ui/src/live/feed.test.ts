import type { Client, Sink } from "graphql-ws";
import { describe, expect, test } from "vitest";

import { FORBIDDEN, UNAUTHORIZED } from "../api/graphql";
import { TopologyFeed } from "./feed";
import { noRows, world } from "./samples";
import { Topology } from "./topology";

/** A server as a client of graphql-ws shows it: its subscriptions one after another, each led by the test. */
class Server {
  readonly asked: (string | null)[] = [];
  readonly pauses: number[] = [];
  private sink: Sink | null = null;
  private waiting: (() => void) | null = null;
  private connected: () => void = () => undefined;

  readonly client = {
    on: (_: "connected", listener: () => void) => {
      this.connected = listener;
      return () => undefined;
    },
    subscribe: (payload: { variables?: Record<string, unknown> }, sink: Sink) => {
      this.asked.push(payload.variables?.after as string | null);
      this.sink = sink;
      this.waiting?.();
      return () => undefined;
    },
  } as unknown as Client;

  /** Waits for a further subscription. */
  async subscribed(many: number): Promise<void> {
    while (this.asked.length < many) await new Promise<void>((resolve) => (this.waiting = resolve));
  }

  /** Says that the connection stands. */
  accept(): void {
    this.connected();
  }

  tell(topology: object): void {
    this.sink?.next({ data: { topology } } as never);
  }

  error(reason: unknown): void {
    this.sink?.error(reason);
  }

  end(): void {
    this.sink?.complete();
  }
}

function follow() {
  const server = new Server();
  const topology = new Topology(() => 1);
  let now = 0;
  const feed = new TopologyFeed({
    client: server.client,
    topology,
    clock: () => (now += 1),
    pause: async (ms) => {
      server.pauses.push(ms);
    },
  });
  return { server, topology, feed, run: feed.run() };
}

const SNAPSHOT = { __typename: "TopologySnapshot", ...world({ countries: 2, sitesEach: 3, nodesEach: 3 }), revision: 10, cursor: "c10" };
const DELTA = { __typename: "TopologyDelta", ...noRows(), removedIds: [], follows: 10, revision: 11, cursor: "c11" };

describe("the feed", () => {
  test("is live with the first event, and begins without a cursor", async () => {
    const { server, topology, feed } = follow();
    expect(feed.status).toBe("connecting");
    server.tell(SNAPSHOT);
    expect([feed.status, topology.revision, server.asked]).toEqual(["live", 10, [null]]);
    feed.close();
  });

  test.each([
    ["delta", DELTA, "c11"],
    ["heartbeat", { __typename: "TopologyHeartbeat", revision: 12, cursor: "c12" }, "c12"],
  ])("resumes after the cursor of the last %s", async (_, event, cursor) => {
    const { server, feed } = follow();
    server.tell(SNAPSHOT);
    server.tell(event);
    server.error(new Event("close"));
    await server.subscribed(2);
    expect([feed.status, server.asked]).toEqual(["reconnecting", [null, cursor]]);
    server.tell({ __typename: "TopologyHeartbeat", revision: 13, cursor: "c13" });
    expect([feed.status, feed.resumes]).toEqual(["live", 1]);
    feed.close();
  });

  test("is live again with the connection, for a graph at rest has nothing to tell", async () => {
    const { server, feed } = follow();
    server.accept();
    expect(feed.status).toBe("connecting");
    server.tell(SNAPSHOT);
    server.error(new Event("close"));
    await server.subscribed(2);
    const heard = feed.heardAt;
    server.accept();
    expect([feed.status, feed.heardAt > heard]).toEqual(["live", true]);
    feed.close();
  });

  test("begins without a cursor when an event does not follow what is known", async () => {
    const { server, topology, feed } = follow();
    server.tell(SNAPSHOT);
    server.tell({ ...DELTA, follows: 20, revision: 21 });
    await server.subscribed(2);
    expect([server.asked, topology.revision]).toEqual([[null, null], 10]);
    feed.close();
  });

  test("takes a snapshot after a resync", () => {
    const { server, topology, feed } = follow();
    server.tell(SNAPSHOT);
    server.tell({ __typename: "TopologyResync", revision: 30, reason: "too old" });
    server.tell({ ...SNAPSHOT, revision: 30, cursor: "c30" });
    expect([topology.revision, feed.resyncs, feed.status]).toEqual([30, 1, "live"]);
    feed.close();
  });

  test("waits longer each time nothing is heard, and briefly again after something was", async () => {
    const { server, feed } = follow();
    for (let time = 1; time <= 8; time += 1) {
      server.end();
      await server.subscribed(time + 1);
    }
    expect(Math.max(...server.pauses)).toBeGreaterThan(2_000);
    expect(Math.max(...server.pauses)).toBeLessThan(10_000);
    server.tell(SNAPSHOT);
    server.end();
    await server.subscribed(10);
    expect(server.pauses.at(-1)).toBeLessThan(500);
    feed.close();
  });

  test.each([
    [{ code: UNAUTHORIZED, reason: "" }, "signed-out", null],
    [{ code: FORBIDDEN, reason: "not for you" }, "refused", "not for you"],
    [[{ message: "no such field" }], "refused", "no such field"],
  ] as const)("gives up on %j", async (reason, status, problem) => {
    const { server, feed, run } = follow();
    server.error(reason);
    await run;
    expect([feed.status, feed.problem, server.asked.length]).toEqual([status, problem, 1]);
  });

  test("ends when it is closed", async () => {
    const { feed, run } = follow();
    feed.close();
    await run;
    expect(feed.status).toBe("connecting");
  });
});
