import { describe, expect, test } from "vitest";

import { nodeColumns, noRows, regionColumns, seeded, siteColumns, world } from "./samples";
import { State, STATE_COUNT } from "./states";
import type { Delta, Place, Snapshot } from "./tables";
import { Topology } from "./topology";

const WORLD = world({ countries: 3, sitesEach: 8, nodesEach: 6 });

function loaded(snapshot: Snapshot = WORLD): Topology {
  const topology = new Topology(() => 7);
  topology.load(snapshot);
  return topology;
}

function delta(given: Partial<Delta> & { readonly revision: number }): Delta {
  return { ...noRows(), follows: given.revision - 1, cursor: String(given.revision), removedIds: [], ...given };
}

/** Counts of regions and of the whole, by id, worked out from the rows alone. */
function recounted(topology: Topology): Record<string, number[]> {
  const { regions, sites, nodes } = topology;
  const found: Record<string, number[]> = { whole: new Array<number>(STATE_COUNT).fill(0) };
  regions.ids.forEach((id) => id !== "" && (found[id] = new Array<number>(STATE_COUNT).fill(0)));
  nodes.ids.forEach((id, row) => {
    if (id === "") return;
    const state = nodes.state[row] as number;
    (found.whole as number[])[state] = ((found.whole as number[])[state] ?? 0) + 1;
    for (let at = sites.region[nodes.site[row] as number] as number; at >= 0; at = regions.parent[at] as number) {
      const counts = found[regions.ids[at] as string] as number[];
      counts[state] = (counts[state] ?? 0) + 1;
    }
  });
  return found;
}

function counted(topology: Topology): Record<string, number[]> {
  const { regions } = topology;
  const found: Record<string, number[]> = { whole: [...topology.nodeTotals] };
  regions.ids.forEach((id, row) => {
    if (id !== "") found[id] = [...regions.nodeCounts.slice(row * STATE_COUNT, (row + 1) * STATE_COUNT)];
  });
  return found;
}

describe("counts", () => {
  test("are those of the rows after a snapshot", () => {
    const topology = loaded();
    expect(counted(topology)).toEqual(recounted(topology));
  });

  test("follow a node that changes its state", () => {
    const topology = loaded();
    const id = WORLD.nodes.ids[0] as string;
    topology.apply(delta({ revision: 2, nodes: nodeColumns([{ id, site: WORLD.nodes.siteIds[0] as string, ordinal: 0, status: "NOT_READY" }]) }));
    expect(topology.nodeTotals[State.DOWN]).toBe(1);
    expect(counted(topology)).toEqual(recounted(topology));
  });

  test.each([["parents first", (ids: string[]) => ids], ["children first", (ids: string[]) => ids.reverse()]] as const)(
    "are right when a region goes with all that is in it, told %s",
    (_, order) => {
      const topology = loaded();
      const inside = (id: string) => WORLD.sites.regionIds[WORLD.sites.ids.indexOf(id)] === "region_1";
      const sites = WORLD.sites.ids.filter(inside);
      const nodes = WORLD.nodes.ids.filter((_id, row) => inside(WORLD.nodes.siteIds[row] as string));
      topology.apply(delta({ revision: 2, removedIds: order(["region_1", ...sites, ...nodes]) }));
      expect(topology.nodes.size).toBe(WORLD.nodes.ids.length - nodes.length);
      expect(counted(topology)).toEqual(recounted(topology));
    },
  );

  test("are those of the rows after a thousand changes of any sort", () => {
    const topology = loaded();
    const random = seeded(5);
    const pick = (ids: readonly string[]) => ids[Math.floor(random() * ids.length)] as string;
    for (let revision = 2; revision < 1002; revision += 1) {
      const there = (table: { readonly ids: readonly string[] }) => table.ids.filter((id) => id !== "");
      const [sites, nodes, kind] = [there(topology.sites), there(topology.nodes), random()];
      const status = random() < 0.5 ? "READY" : "NOT_READY";
      if (kind < 0.3) {
        const row = { id: `node_new_${revision}`, site: pick(sites), ordinal: revision, status };
        topology.apply(delta({ revision, nodes: nodeColumns([row]) }));
      } else if (kind < 0.5) topology.apply(delta({ revision, removedIds: [pick(nodes)] }));
      else if (kind < 0.8) topology.apply(delta({ revision, nodes: nodeColumns([{ id: pick(nodes), site: pick(sites), ordinal: 1, status }]) }));
      else {
        const row = { id: pick(sites), region: `region_${Math.floor(random() * 3)}`, ordinal: 1, health: random() < 0.5 ? "READY" : "DOWN" };
        topology.apply(delta({ revision, sites: siteColumns([row]) }));
      }
    }
    expect(counted(topology)).toEqual(recounted(topology));
  });
});

describe("a delta", () => {
  test("that does not follow what is known is not taken", () => {
    const topology = loaded();
    expect(topology.apply(delta({ revision: 9, follows: 5, removedIds: [WORLD.nodes.ids[0] as string] }))).toBe(false);
    expect([topology.revision, topology.nodes.size]).toEqual([1, WORLD.nodes.ids.length]);
  });

  test("that was told before changes nothing", () => {
    const topology = loaded();
    const version = topology.version;
    expect(topology.apply(delta({ revision: 1, follows: 0 }))).toBe(true);
    expect(topology.version).toBe(version);
  });
});

describe("a further snapshot", () => {
  const other: Snapshot = {
    ...WORLD,
    revision: 40,
    nodes: nodeColumns([
      ...WORLD.nodes.ids.slice(1).map((id, index) => ({
        id,
        site: WORLD.nodes.siteIds[index + 1] as string,
        ordinal: index,
        status: index === 0 ? "NOT_READY" : "READY",
      })),
      { id: "node_new", site: WORLD.nodes.siteIds[0] as string, ordinal: 99 },
    ]),
  };

  test("keeps the rows of what it has in common, and tells what came and went", () => {
    const topology = loaded();
    const rows = new Map(WORLD.sites.ids.map((id) => [id, topology.sites.rowOf(id)]));
    const told: { added: string[]; removed: readonly Place[]; resets: number } = { added: [], removed: [], resets: 0 };
    topology.listen({
      changed: (added, removed) => {
        told.added = added.map((place) => topology.idOf(place));
        told.removed = removed;
      },
      reset: () => {
        told.resets += 1;
      },
    });
    topology.load(other);
    expect(told.resets).toBe(0);
    expect(told.added).toEqual(["node_new"]);
    expect(told.removed).toHaveLength(1);
    expect(new Map(WORLD.sites.ids.map((id) => [id, topology.sites.rowOf(id)]))).toEqual(rows);
    expect([topology.revision, topology.nodes.size, topology.nodeTotals[State.DOWN]]).toEqual([40, WORLD.nodes.ids.length, 1]);
    expect(counted(topology)).toEqual(recounted(topology));
  });

  test("of another graph begins anew", () => {
    const topology = loaded();
    let resets = 0;
    topology.listen({
      changed: () => undefined,
      reset: () => {
        resets += 1;
      },
    });
    const snapshot: Snapshot = {
      ...noRows(),
      revision: 3,
      cursor: "3",
      regions: regionColumns([{ id: "region_x" }]),
      sites: siteColumns([{ id: "site_x", region: "region_x", ordinal: 0 }]),
      nodes: nodeColumns([{ id: "node_x", site: "site_x", ordinal: 0 }]),
    };
    topology.load(snapshot);
    expect([resets, topology.revision, topology.nodes.size]).toEqual([1, 3, 1]);
    expect(counted(topology)).toEqual({ whole: [1, 0, 0, 0, 0], region_x: [1, 0, 0, 0, 0] });
  });
});
