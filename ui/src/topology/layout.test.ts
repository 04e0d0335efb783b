import { describe, expect, test } from "vitest";

import { nodeColumns, noRows, type NodeRow, seeded, siteColumns, type SiteRow, world } from "../live/samples";
import { Topology } from "../live/topology";
import { SITE_HEAD, SITE_PAD, SLOT, SlotLayout } from "./layout";

function laidOut(given = world({ countries: 6, sitesEach: 20, nodesEach: 12 })) {
  const topology = new Topology(() => 1);
  topology.load(given);
  const layout = new SlotLayout(topology);
  topology.listen(layout);
  return { topology, layout };
}

/** Where every node and every site's boxes are, by id. */
function positions({ topology, layout }: ReturnType<typeof laidOut>): Map<string, string> {
  const found = new Map<string, string>();
  topology.nodes.ids.forEach((id, row) => {
    if (id !== "") found.set(id, `${layout.nodeX[row]},${layout.nodeY[row]}`);
  });
  topology.sites.ids.forEach((id, row) => {
    if (id !== "") found.set(id, (layout.siteBoxes[row] ?? []).slice(0, 1).map((box) => `${box.x},${box.y},${box.width}`).join());
  });
  for (const box of layout.regionBoxes) {
    if (box.part === 0) found.set(topology.regions.ids[box.region] as string, `${box.x},${box.y},${box.width},${box.height}`);
  }
  return found;
}

/** No two rectangles share any area. */
function apart(boxes: readonly { x: number; y: number; width: number; height: number }[]): boolean {
  const sorted = [...boxes].sort((a, b) => a.x - b.x);
  return sorted.every((box, index) =>
    sorted
      .slice(index + 1)
      .filter((other) => other.x < box.x + box.width)
      .every((other) => other.y >= box.y + box.height || other.y + other.height <= box.y),
  );
}

function allApart({ layout }: ReturnType<typeof laidOut>): boolean {
  const sites = layout.siteBoxes.flat();
  const slots = sites.flatMap((box) => [...box.slots]).filter((row) => row >= 0);
  return apart(sites) && new Set(slots).size === slots.length;
}

describe("the first layout", () => {
  test("is the same for the same topology", () => {
    expect(positions(laidOut())).toEqual(positions(laidOut()));
  });

  test("places every node within its site and every site within its region, nothing over anything", () => {
    const one = laidOut();
    const { topology, layout } = one;
    for (let row = 0; row < topology.nodes.limit; row += 1) {
      const box = layout.boxOf(topology.nodes.site[row] as number);
      if (!box) throw new Error(`no box for the site of node ${row}`);
      const [x, y] = [layout.nodeX[row] as number, layout.nodeY[row] as number];
      expect(x >= box.x + SITE_PAD && x + SLOT <= box.x + box.width - SITE_PAD + 0.01).toBe(true);
      expect(y >= box.y + SITE_HEAD && y + SLOT <= box.y + box.height + 0.01).toBe(true);
    }
    for (const box of layout.siteBoxes.flat()) {
      const around = box.regionBox;
      expect(box.x >= around.x && box.y >= around.y).toBe(true);
      expect(box.x + box.width <= around.x + around.width && box.y + box.height <= around.y + around.height).toBe(true);
    }
    expect(allApart(one)).toBe(true);
  });

  test("gives a node the slot of its ordinal, so that a node that is missing leaves a gap", () => {
    const site: SiteRow = { id: "site_a", region: "region_0", ordinal: 999 };
    const nodes: NodeRow[] = [0, 1, 3].map((ordinal) => ({ id: `node_a${ordinal}`, site: "site_a", ordinal }));
    const base = world({ countries: 1, sitesEach: 2, nodesEach: 2 });
    const { topology, layout } = laidOut({ ...base, sites: siteColumns([site]), nodes: nodeColumns(nodes) });
    const box = layout.boxOf(topology.sites.rowOf("site_a"));
    expect([0, 1, 2, 3].map((slot) => topology.nodes.ids[box?.slots[slot] ?? -1] ?? null)).toEqual([
      "node_a0",
      "node_a1",
      null,
      "node_a3",
    ]);
  });

  test("takes ranks where ordinals have large gaps", () => {
    const nodes: NodeRow[] = [5, 900, 40_000].map((ordinal) => ({ id: `node_${ordinal}`, site: "site_a", ordinal }));
    const base = world({ countries: 1, sitesEach: 2, nodesEach: 2 });
    const sites = siteColumns([{ id: "site_a", region: "region_0", ordinal: 0 }]);
    const { topology, layout } = laidOut({ ...base, sites, nodes: nodeColumns(nodes) });
    expect(layout.boxOf(topology.sites.rowOf("site_a"))?.columns).toBe(2);
  });
});

describe("what comes, goes and changes", () => {
  test("moves nothing else, over a thousand changes", () => {
    const one = laidOut();
    const { topology } = one;
    const random = seeded(7);
    const touched = new Set<string>();
    const before = positions(one);
    const anyOf = (ids: readonly string[]): string => {
      const known = ids.filter((id) => id !== "");
      return known[Math.floor(random() * known.length)] as string;
    };
    for (let step = 0; step < 1_000; step += 1) {
      const sort = random();
      const site = anyOf(topology.sites.ids);
      const region = topology.regions.ids[topology.sites.region[topology.sites.rowOf(site)] as number] as string;
      let tables = noRows();
      let removedIds: string[] = [];
      if (sort < 0.35) {
        const id = `node_new_${step}`;
        touched.add(id);
        tables = { ...tables, nodes: nodeColumns([{ id, site, ordinal: 10_000 + step }]) };
      } else if (sort < 0.55) {
        removedIds = [anyOf(topology.nodes.ids)];
      } else if (sort < 0.65) {
        const id = `site_new_${step}`;
        touched.add(id);
        tables = { ...tables, sites: siteColumns([{ id, region, ordinal: 10_000 + step }]) };
      } else if (sort < 0.68) {
        removedIds = [site, ...topology.nodes.ids.filter((_, row) => topology.nodes.site[row] === topology.sites.rowOf(site))];
        removedIds = removedIds.filter((id) => id !== "");
      } else {
        const id = anyOf(topology.nodes.ids);
        const row = topology.nodes.rowOf(id);
        const own = topology.sites.ids[topology.nodes.site[row] as number] as string;
        const status = random() < 0.5 ? "NOT_READY" : "READY";
        tables = { ...tables, nodes: nodeColumns([{ id, site: own, ordinal: topology.nodes.ordinal[row] as number, status }]) };
      }
      for (const id of removedIds) touched.add(id);
      const revision = topology.revision + 1;
      expect(topology.apply({ ...tables, removedIds, revision, follows: revision - 1, cursor: `${revision}` })).toBe(true);
    }
    const after = positions(one);
    for (const [id, place] of before) if (!touched.has(id)) expect([id, after.get(id)]).toEqual([id, place]);
    expect(allApart(one)).toBe(true);
    const lost = topology.nodes.ids.filter(
      (id, row) => id !== "" && (topology.nodes.site[row] as number) >= 0 && Number.isNaN(one.layout.nodeX[row]),
    );
    expect(lost).toEqual([]);
  });

  test("a full site continues in a second box, at a place of its own", () => {
    const one = laidOut();
    const { topology, layout } = one;
    const site = topology.sites.ids.find((_, row) => topology.sites.transit[row] === 0) as string;
    const nodes = Array.from({ length: 400 }, (_, index) => ({ id: `node_x${index}`, site, ordinal: 500 + index }));
    topology.apply({ ...noRows(), nodes: nodeColumns(nodes), removedIds: [], revision: 2, follows: 1, cursor: "2" });
    expect((layout.siteBoxes[topology.sites.rowOf(site)] ?? []).length).toBeGreaterThan(1);
    expect(allApart(one)).toBe(true);
  });

  test("a site that moves to another region takes its nodes along", () => {
    const one = laidOut();
    const { topology, layout } = one;
    const row = topology.sites.transit.indexOf(0);
    const id = topology.sites.ids[row] as string;
    const sites = siteColumns([{ id, region: "region_5", ordinal: 77 }]);
    topology.apply({ ...noRows(), sites, removedIds: [], revision: 2, follows: 1, cursor: "2" });
    const box = layout.boxOf(row);
    expect(topology.regions.ids[box?.regionBox.region ?? -1]).toBe("region_5");
    topology.nodes.ids.forEach((node, each) => {
      if (node !== "" && topology.nodes.site[each] === row) expect(layout.nodeX[each]).not.toBeNaN();
    });
    expect(allApart(one)).toBe(true);
  });
});
