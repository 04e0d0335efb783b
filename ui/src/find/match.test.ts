import { describe, expect, test } from "vitest";

import { nodeColumns, noRows, regionColumns, siteColumns } from "../live/samples";
import { Topology } from "../live/topology";
import { parseExpression } from "./expression";
import { match } from "./match";

/** west: a - b - c (2 ms each), east: d; c - d is down. */
function picture(): Topology {
  const topology = new Topology(() => 1);
  topology.load({
    ...noRows(),
    revision: 1,
    cursor: "1",
    regions: regionColumns([{ id: "europe" }, { id: "west", parent: "europe" }, { id: "east", parent: "europe" }]),
    sites: siteColumns([
      { id: "site-a", region: "west", ordinal: 0, labels: "zone=w1" },
      { id: "site-b", region: "west", ordinal: 1, role: "TRANSIT" },
      { id: "site-c", region: "west", ordinal: 2, labels: "power=solar,zone=w2" },
      { id: "site-d", region: "east", ordinal: 0, health: "DOWN", tier: "NATIONAL" },
    ]),
    nodes: nodeColumns([
      { id: "node-a0", site: "site-a", ordinal: 0, labels: "gpu=a100" },
      { id: "node-c0", site: "site-c", ordinal: 0, status: "NOT_READY" },
      { id: "node-c1", site: "site-c", ordinal: 1, schedulable: false },
      { id: "node-d0", site: "site-d", ordinal: 0 },
    ]),
    links: {
      ids: ["ab", "bc", "cd"],
      fromSiteIds: ["site-a", "site-b", "site-c"],
      toSiteIds: ["site-b", "site-c", "site-d"],
      latenciesMs: [2, 2, 2],
      bandwidthsMbps: [null, null, null],
      states: ["UP", "UP", "DOWN"],
    },
  });
  return topology;
}

function found(text: string): Record<string, string[]> | null {
  const topology = picture();
  const result = match(parseExpression(text), topology);
  if (result === null) return null;
  const named = (rows: Uint8Array, ids: readonly string[]) => ids.filter((_, row) => rows[row] === 1);
  return { sites: named(result.sites, topology.sites.ids), nodes: named(result.nodes, topology.nodes.ids) };
}

describe("what an expression finds", () => {
  test.each([
    ["site-a", ["site-a"], ["node-a0"]],
    ["node-c", [], ["node-c0", "node-c1"]],
    ["site:site-c", ["site-c"], ["node-c0", "node-c1"]],
    ["region:west kind:site", ["site-a", "site-b", "site-c"], []],
    ["region:europe kind:node", [], ["node-a0", "node-c0", "node-c1", "node-d0"]],
    ["state:down", ["site-d"], ["node-c0"]],
    ["state:cordoned", [], ["node-c1"]],
    ["kind:node -state:ready", [], ["node-c0", "node-c1"]],
    ["zone=w2", ["site-c"], []],
    ["label=zone", ["site-a", "site-c"], []],
    ["gpu=a100", [], ["node-a0"]],
    ["role:transit", ["site-b"], []],
    ["tier:national", ["site-d"], ["node-d0"]],
    ["-region:west kind:node", [], ["node-d0"]],
    ["site-a within:1hop", ["site-a", "site-b"], ["node-a0"]],
    ["site-a within:2hops", ["site-a", "site-b", "site-c"], ["node-a0", "node-c0", "node-c1"]],
    ["site-a within:3ms", ["site-a", "site-b"], ["node-a0"]],
    ["site-d within:5hops", ["site-d"], ["node-d0"]],
    ["site-a within:2hops -site-b", ["site-a", "site-c"], ["node-a0", "node-c0", "node-c1"]],
    ["site-a within:2hops -state:down", ["site-a", "site-b", "site-c"], ["node-a0", "node-c1"]],
    ["kind:site site-a within:2hops", ["site-a", "site-b", "site-c"], []],
    ["kind:node site-a within:2hops", [], ["node-a0", "node-c0", "node-c1"]],
    ["node-a0 -kind:node within:1hop", ["site-a", "site-b"], []],
    ["state:cordoned within:1hop", ["site-b", "site-c"], ["node-c0", "node-c1"]],
    ["nowhere", [], []],
  ])("%s", (text, sites, nodes) => {
    expect(found(text)).toEqual({ sites, nodes });
  });

  test("nothing asked shows everything", () => {
    expect(found("  ")).toBeNull();
  });

  test("a tree is led to what is found", () => {
    const topology = picture();
    const result = match(parseExpression("node-d0"), topology);
    const named = (rows: Uint8Array | undefined, ids: readonly string[]) => ids.filter((_, row) => rows?.[row] === 1);
    expect(named(result?.leadingSites, topology.sites.ids)).toEqual(["site-d"]);
    expect(named(result?.leadingRegions, topology.regions.ids)).toEqual(["europe", "east"]);
    expect(result?.counts).toEqual({ region: 0, site: 0, node: 1, link: 0, instance: 0 });
  });
});
