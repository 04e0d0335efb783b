import { expect, it } from "vitest";

import { world } from "../live/samples";
import { Topology } from "../live/topology";
import { pointsOf, sitesOf } from "./places";

const topology = new Topology();
topology.load(world({ countries: 3, sitesEach: 4, nodesEach: 3 }));
const { regions, sites, nodes, links } = topology;

it("a site, a node, a link and a region are at the sites that they are of", () => {
  expect(sitesOf(topology, { kind: "site", row: 5 })).toEqual([5]);
  expect(sitesOf(topology, { kind: "node", row: 7 })).toEqual([nodes.site[7]]);
  expect(sitesOf(topology, { kind: "link", row: 2 })).toEqual([links.from[2], links.to[2]]);
  const country = regions.rowOf("region_1");
  expect(sitesOf(topology, { kind: "region", row: country }).map((row) => sites.region[row])).toEqual([country, country, country, country]);
  expect(sitesOf(topology, { kind: "region", row: regions.rowOf("region_world") })).toHaveLength(12);
});

it("points of sites are theirs, and none where a site has no position", () => {
  expect([...pointsOf(new Float64Array([1, 2, NaN, NaN, 5, 6]), [2, 1, 9])]).toEqual([5, 6, NaN, NaN, NaN, NaN]);
});
