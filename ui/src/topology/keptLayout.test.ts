import { describe, expect, test } from "vitest";

import { nodeColumns, noRows, regionColumns, seeded, siteColumns, world } from "../live/samples";
import type { Snapshot } from "../live/tables";
import { Topology } from "../live/topology";
import { FORM, runsOf, slotsOf } from "./keptLayout";
import { REGION_HEAD, SITE_HEAD, SITE_PAD, SLOT, SlotLayout } from "./layout";

function laidOut(given: Snapshot) {
  const topology = new Topology(() => 1);
  topology.load(given);
  const layout = new SlotLayout(topology);
  topology.listen(layout);
  return { topology, layout };
}

type Laid = ReturnType<typeof laidOut>;

/** The page again: another topology of the same graph, its rows in another order, laid out from what was kept as text. */
function reloaded({ topology, layout }: Laid, without = new Set<string>()): Laid & { readonly known: boolean } {
  const text = JSON.stringify(layout.kept());
  const random = seeded(3);
  const rowsOf = (ids: readonly string[]) =>
    ids
      .flatMap((id, row) => (id === "" || without.has(id) ? [] : [{ id, row, at: random() }]))
      .sort((a, b) => a.at - b.at);
  const { regions, sites, nodes } = topology;
  const again = laidOut({
    ...noRows(),
    revision: topology.revision,
    cursor: "again",
    regions: regionColumns(
      rowsOf(regions.ids).map(({ id, row }) => {
        const parent = regions.ids[regions.parent[row] as number];
        return parent ? { id, parent } : { id };
      }),
    ),
    sites: siteColumns(
      rowsOf(sites.ids).map(({ id, row }) => ({
        id,
        region: regions.ids[sites.region[row] as number] ?? "",
        ordinal: sites.ordinal[row] as number,
        role: sites.transit[row] === 1 ? "TRANSIT" : "COMPUTE",
      })),
    ),
    nodes: nodeColumns(
      rowsOf(nodes.ids).map(({ id, row }) => ({ id, site: sites.ids[nodes.site[row] as number] ?? "", ordinal: nodes.ordinal[row] as number })),
    ),
  });
  return { ...again, known: again.layout.restore(JSON.parse(text)) };
}

/** Where everything is, by id. */
function positions({ topology, layout }: Laid): Map<string, string> {
  const found = new Map<string, string>();
  const corners = (boxes: readonly { x: number; y: number; width: number; height: number }[]) =>
    boxes.map((box) => `${box.x},${box.y},${box.width},${box.height}`).join(" ");
  topology.nodes.ids.forEach((id, row) => id !== "" && found.set(id, `${layout.nodeX[row]},${layout.nodeY[row]}`));
  topology.sites.ids.forEach((id, row) => id !== "" && found.set(id, corners(layout.siteBoxes[row] ?? [])));
  topology.regions.ids.forEach((id, row) => id !== "" && found.set(id, corners(layout.boxesOfRegion(row))));
  return found;
}

/** What comes and goes: nodes, sites, and whole regions. */
function change(one: Laid, many: number, seed: number): void {
  const { topology } = one;
  const random = seeded(seed);
  const anyOf = (ids: readonly string[]) => {
    const known = ids.filter((id) => id !== "");
    return known[Math.floor(random() * known.length)] as string;
  };
  for (let step = 0; step < many; step += 1) {
    const sort = random();
    const at = 10_000 * seed + step;
    const site = anyOf(topology.sites.ids);
    let tables = noRows();
    let removedIds: string[] = [];
    if (sort < 0.5) tables = { ...tables, nodes: nodeColumns([{ id: `node_new_${at}`, site, ordinal: at }]) };
    else if (sort < 0.7) removedIds = [anyOf(topology.nodes.ids)];
    else if (sort < 0.8) tables = { ...tables, sites: siteColumns([{ id: `site_new_${at}`, region: anyOf(topology.regions.ids), ordinal: at }]) };
    else if (sort < 0.85) tables = { ...tables, regions: regionColumns([{ id: `region_new_${at}` }]) };
    else {
      const row = topology.sites.rowOf(site);
      removedIds = [site, ...topology.nodes.ids.filter((id, node) => id !== "" && topology.nodes.site[node] === row)];
    }
    const revision = topology.revision + 1;
    topology.apply({ ...tables, removedIds, revision, follows: revision - 1, cursor: `${revision}` });
  }
}

const WORLD = { countries: 6, sitesEach: 20, nodesEach: 12 };

describe("after a reload", () => {
  test("everything is where it was, whatever has come and gone before it", () => {
    const one = laidOut(world(WORLD));
    for (let round = 1; round <= 4; round += 1) {
      change(one, 250, round);
      const again = reloaded(one);
      expect(again.known).toBe(true);
      expect(positions(again)).toEqual(positions(one));
    }
  });

  test("and again after the next one, with changes between: it keeps its room as it keeps its places", () => {
    let one: Laid = laidOut(world(WORLD));
    for (let round = 1; round <= 4; round += 1) {
      change(one, 100, round);
      one = reloaded(one);
      const before = positions(one);
      change(one, 100, round + 10);
      const after = positions(one);
      for (const [id, place] of before) {
        // A site may go on in a further box; those that it had stay.
        if (after.has(id)) expect(after.get(id)?.startsWith(place)).toBe(true);
      }
    }
  });

  test("what went meanwhile leaves its place, what came has one, and nothing else is moved", () => {
    const one = laidOut(world(WORLD));
    change(one, 300, 1);
    const site = one.topology.sites.ids.find((id) => id !== "") as string;
    const row = one.topology.sites.rowOf(site);
    const gone = new Set([site, ...one.topology.nodes.ids.filter((_, node) => one.topology.nodes.site[node] === row)]);
    const before = positions(one);
    const again = reloaded(one, gone);
    const expected = new Map([...before].filter(([id]) => !gone.has(id)));
    expect(positions(again)).toEqual(expected);
    change(again, 50, 9);
    expect([...again.layout.nodeX].filter((_, node) => again.topology.nodes.has(node)).every((x) => !Number.isNaN(x))).toBe(true);
  });

  test("another graph, or one that has more than doubled, is laid out anew", () => {
    const kept = laidOut(world(WORLD)).layout.kept();
    const larger = laidOut(world({ ...WORLD, sitesEach: 50 }));
    const before = positions(larger);
    expect(larger.layout.restore(kept)).toBe(false);
    expect(positions(larger)).toEqual(before);
    const other = world(WORLD);
    const renamed = laidOut({ ...other, sites: { ...other.sites, ids: other.sites.ids.map((id) => `x${id}`) } });
    expect(renamed.layout.restore(kept)).toBe(false);
  });

  test("fifty thousand nodes are kept in less than half a million letters", () => {
    const { layout, topology } = laidOut(world({ countries: 50, sitesEach: 100, nodesEach: 11 }));
    expect(topology.nodes.size).toBeGreaterThan(48_000);
    expect(JSON.stringify(layout.kept()).length).toBeLessThan(500_000);
  });
});

test("the form names the sizes that layouts are made of", () => {
  expect(FORM).toBe([1, SLOT, SITE_PAD, SITE_HEAD, REGION_HEAD].join(" "));
});

test.each([[[]], [[-1, -1]], [[0, 1, 2]], [[5, 6, -1, 7, 3, 4]], [[-1, 9, -1, -1, 8, 0]]])("ordinals %j outlast being kept as runs", (ordinals) => {
  const found = new Array<number>(ordinals.length).fill(-1);
  for (const [slot, ordinal] of slotsOf(runsOf(ordinals))) found[slot] = ordinal;
  expect(found).toEqual(ordinals);
});
