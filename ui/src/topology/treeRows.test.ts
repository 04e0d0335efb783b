import { describe, expect, it } from "vitest";

import { world } from "../live/samples";
import { Topology } from "../live/topology";
import { treeIndex } from "./treeRows";

const collator = new Intl.Collator("en", { numeric: true });

describe("the order of the tree", () => {
  it("is by name, numbers as numbers", () => {
    const topology = new Topology();
    topology.load(world({ countries: 1, sitesEach: 12, nodesEach: 2 }));
    const index = treeIndex(topology, collator);
    const [country] = index.regionsOf[index.roots[0] as number] ?? [];
    const names = (index.sitesOf[country as number] ?? []).map((row) => topology.sites.titles[row]);
    expect(names).toEqual(Array.from({ length: 12 }, (_, at) => `site_0_${at}`));
  });

  it("is the same whether made anew or from what it was before", () => {
    const topology = new Topology();
    const first = world({ countries: 3, sitesEach: 20, nodesEach: 3 });
    topology.load(first);
    const before = treeIndex(topology, collator);
    topology.load({
      ...first,
      revision: 2,
      sites: {
        ...first.sites,
        displayNames: first.sites.ids.map((_, at) => (at % 7 === 0 ? `aardvark ${at}` : null)),
        regionIds: first.sites.regionIds.map((id, at) => (at % 5 === 0 ? "region_1" : id)),
      },
    });
    expect(treeIndex(topology, collator, before)).toEqual(treeIndex(topology, collator));
  });
});
