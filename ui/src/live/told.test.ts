import { describe, expect, it } from "vitest";

import { nodeColumns, noRows, regionColumns, siteColumns } from "./samples";
import { Topology } from "./topology";

const snapshot = {
  ...noRows(),
  revision: 1,
  cursor: "1",
  regions: regionColumns([{ id: "region_a" }]),
  sites: siteColumns([
    { id: "site_1", region: "region_a", ordinal: 0 },
    { id: "site_2", region: "region_a", ordinal: 1 },
  ]),
  nodes: nodeColumns([
    { id: "node_1", site: "site_1", ordinal: 0 },
    { id: "node_2", site: "site_2", ordinal: 0 },
  ]),
};

describe("what a drawing of a site may be older than", () => {
  const changed = (given: object) => {
    const topology = new Topology();
    topology.load(snapshot);
    const { version } = topology;
    topology.apply({ ...noRows(), revision: 2, follows: 1, cursor: "2", removedIds: [], ...given });
    return snapshot.sites.ids.filter((id) => (topology.sites.toldAt[topology.sites.rowOf(id)] as number) > version);
  };

  it("is a change of one of its nodes, and of no other's", () => {
    expect(changed({ nodes: nodeColumns([{ id: "node_2", site: "site_2", ordinal: 0, status: "NOT_READY" }]) })).toEqual(["site_2"]);
  });

  it("is a change of its own", () => {
    expect(changed({ sites: siteColumns([{ id: "site_1", region: "region_a", ordinal: 0, health: "DOWN" }]) })).toEqual(["site_1"]);
  });

  it("is an instance in it", () => {
    const instances = { ids: ["instance_1"], names: ["a"], siteIds: ["site_1"], nodeIds: ["node_1"], releaseIds: ["r"], statuses: ["RUNNING"] };
    expect(changed({ instances })).toEqual(["site_1"]);
  });

  it("is a node that goes to it or from it", () => {
    expect(changed({ nodes: nodeColumns([{ id: "node_1", site: "site_2", ordinal: 5 }]) })).toEqual(["site_1", "site_2"]);
    expect(changed({ removedIds: ["node_1"] })).toEqual(["site_1"]);
  });

  it("is nothing while only the revision moves on", () => {
    expect(changed({})).toEqual([]);
  });
});
