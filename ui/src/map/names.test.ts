import { describe, expect, it } from "vitest";

import { noRows, regionColumns, siteColumns } from "../live/samples";
import { Topology } from "../live/topology";
import { Taken } from "../topology/canvas/taken";
import { clusters, radiusOf } from "./clusters";
import { blockClusters, nameOthers, nameSelected } from "./names";

const VIEW = { scale: 1, x: 0, y: 0 };
const SIZE = { width: 800, height: 600 };

/** Names on a map of sites at pixels, by site. */
function names(at: Readonly<Record<string, readonly [number, number]>>, given: { found?: string[]; selected?: string[] } = {}) {
  const topology = new Topology();
  const ids = Object.keys(at);
  topology.load({
    ...noRows(),
    revision: 1,
    cursor: "1",
    regions: regionColumns([{ id: "region" }]),
    sites: siteColumns(ids.map((id, ordinal) => ({ id, region: "region", ordinal, role: id.startsWith("way") ? "TRANSIT" : "COMPUTE" }))),
  });
  const found = given.found ? Uint8Array.from(ids, (id) => Number(given.found?.includes(id))) : null;
  const selected = (given.selected ?? []).map((id) => topology.sites.rowOf(id));
  const shown = clusters(topology, Float64Array.from(Object.values(at).flat()), VIEW, SIZE, { found, waypoints: false, selected });
  const naming = { topology, finding: found !== null, selected, taken: new Taken(), edge: radiusOf, size: SIZE, width: (text: string) => text.length * 6 };
  blockClusters(shown, naming);
  const all = [...nameSelected(shown, naming), ...nameOthers(shown, naming)];
  return { texts: all.map(({ text }) => text).sort(), at: (name: string) => all.find(({ text }) => text === name) };
}

/** Sites all around one, so near that no name has room between. */
const CROWD = Object.fromEntries(
  [-2, -1, 0, 1, 2].flatMap((x) => [-2, -1, 0, 1, 2].map((y) => [x === 0 && y === 0 ? "middle" : `other_${x}_${y}`, [405 + x * 26, 300 + y * 26] as const])),
);

describe("names on the map", () => {
  it("stand at the right, and where that is taken at the left, above or below", () => {
    const one = names({ lyon: [100, 100], milan: [130, 100] });
    expect(one.texts).toEqual(["lyon", "milan"]);
    expect(one.at("milan")?.x).toBeGreaterThan(130);
    expect(one.at("lyon")?.x).toBeLessThan(100);
    const row = names({ first: [70, 100], middle: [100, 100], last: [130, 100] });
    expect(row.texts).toEqual(["first", "last", "middle"]);
    expect(row.at("middle")?.y).not.toBe(100);
  });

  it("are within the picture", () => {
    expect(names({ makhachkala: [770, 300] }).at("makhachkala")?.x).toBeLessThan(770 - "makhachkala".length * 6);
    expect(names({ reykjavik: [400, -20] }).texts).toEqual([]);
  });

  it("are of what is found, over what is not", () => {
    expect(names(CROWD, { found: ["middle"] }).texts).toEqual(["middle"]);
  });

  it("always has what is selected, however little room there is", () => {
    expect(names(CROWD).texts).not.toContain("middle");
    expect(names(CROWD, { selected: ["middle"] }).texts).toContain("middle");
    expect(names(CROWD, { selected: ["middle"], found: ["other_1_1"] }).texts).toEqual(["middle", "other_1_1"]);
  });

  it("call sites that are drawn as one by the selected one, with how many more there are; found ones among themselves", () => {
    const near = { aachen: [100, 100], bonn: [101, 101], cologne: [102, 102] } as const;
    expect(names(near).texts).toEqual(["aachen +2"]);
    expect(names(near, { selected: ["bonn"] }).texts).toEqual(["bonn +2"]);
    expect(names(near, { found: ["bonn"] }).texts).toEqual(["bonn"]);
    expect(names(near, { found: ["bonn", "cologne"] }).texts).toEqual(["bonn +1"]);
    expect(names(near, { found: ["bonn"], selected: ["cologne"] }).texts).toEqual(["bonn", "cologne"]);
  });

  it("are of waypoints only where those are found or selected", () => {
    const sites = { way: [100, 100], lyon: [300, 100] } as const;
    expect(names(sites).texts).toEqual(["lyon"]);
    expect(names(sites, { found: ["way"] }).texts).toEqual(["way"]);
    expect(names(sites, { selected: ["way"] }).texts).toEqual(["lyon", "way"]);
  });
});
