import { beforeEach, describe, expect, it } from "vitest";

import { noRows, world } from "../../live/samples";
import { Topology } from "../../live/topology";
import { SlotLayout } from "../layout";
import { bundle, LinkEnds } from "./linkEnds";

const first = world({ countries: 3, sitesEach: 4, nodesEach: 2 });

describe("links as they are drawn", () => {
  let topology: Topology;
  let layout: SlotLayout;

  beforeEach(() => {
    topology = new Topology();
    topology.load(first);
    layout = new SlotLayout(topology);
  });

  const linkTo = (state: string) => ({
    ...first.links,
    ids: [first.links.ids[3] as string],
    fromSiteIds: [first.links.fromSiteIds[3] as string],
    toSiteIds: [first.links.toSiteIds[3] as string],
    latenciesMs: [1],
    bandwidthsMbps: [null],
    states: [state],
  });
  const delta = (given: object) => ({ ...noRows(), revision: topology.revision + 1, follows: topology.revision, cursor: "", removedIds: [], ...given });

  it("join regions, each pair once, and not within one", () => {
    // A ring over all sites crosses from each country to the next.
    expect(bundle(topology).map((one) => one.rows.length)).toEqual([1, 1, 1]);
  });

  it("count those that are down when a link's state changes", () => {
    const ends = new LinkEnds();
    ends.refresh(topology, layout);
    expect(ends.bundles.every((one) => one.down === 0)).toBe(true);
    topology.apply(delta({ links: linkTo("DOWN") }));
    ends.refresh(topology, layout);
    expect(ends.bundles.reduce((sum, one) => sum + one.down, 0)).toBe(1);
  });

  it("are worked out again for links and places only, not for each change of a node", () => {
    const ends = new LinkEnds();
    ends.refresh(topology, layout);
    const before = ends.bundles;
    const nodes = { ...first.nodes, statuses: first.nodes.statuses.map(() => "NOT_READY") };
    topology.apply(delta({ nodes }));
    ends.refresh(topology, layout);
    expect(ends.bundles).toBe(before);
  });

  it("of regions meet in the middle of the regions' own sites, wherever other regions within them are", () => {
    const inner = world({ countries: 3, sitesEach: 4, nodesEach: 2 });
    const rows = inner.sites.regionIds.map((id, row) => (row === 0 ? "region_world" : id));
    topology.load({ ...inner, revision: 9, sites: { ...inner.sites, regionIds: rows } });
    layout = new SlotLayout(topology);
    const ends = new LinkEnds();
    ends.refresh(topology, layout);
    const around = topology.regions.rowOf("region_world");
    const box = layout.boxOf(0);
    expect(ends.middles[around * 2]).toBeCloseTo((box?.x ?? NaN) + (box?.width ?? NaN) / 2);
    expect(ends.middles[around * 2 + 1]).toBeCloseTo((box?.y ?? NaN) + (box?.height ?? NaN) / 2);
  });

  it("begin and end in the middle of their sites, and nowhere once they are gone", () => {
    const ends = new LinkEnds();
    ends.refresh(topology, layout);
    const row = topology.links.rowOf("link_0");
    const box = layout.boxOf(topology.links.from[row] as number);
    expect(ends.ends[row * 4]).toBeCloseTo((box?.x ?? NaN) + (box?.width ?? NaN) / 2);
    topology.apply(delta({ removedIds: ["link_0"] }));
    ends.refresh(topology, layout);
    expect(ends.ends[row * 4]).toBeNaN();
  });
});
