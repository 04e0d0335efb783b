import { describe, expect, it } from "vitest";

import { type Decided, reachOf } from "./reach";

const PLACE = { name: null, position: null, site: null, region: null };
const LYON = { longitude: 4.83, latitude: 45.76 };

function decided(places: Decided["policy"]["latency"][number]["place"][], serves: string[]): Decided {
  return {
    name: "video",
    policy: { latency: places.map((place) => ({ place })) },
    decision: {
      placements: [
        { site: { id: "site_a" }, serves: serves.map((place) => ({ place, latencyMs: 2, withinMs: 8, withinKm: null })) },
        { site: null, serves: [{ place: "hidden", latencyMs: 1, withinMs: 8, withinKm: null }] },
      ],
    },
  };
}

describe("the reach of a deployment", () => {
  it("has the position of each served place, whatever the policy calls it by", () => {
    const places = [
      { ...PLACE, name: "users", position: LYON },
      { ...PLACE, position: LYON },
      { ...PLACE, site: { name: "lyon-1", position: LYON } },
      { ...PLACE, name: "", region: { name: "france", centre: LYON } },
    ];
    const { served } = reachOf(decided(places, ["users", "45.7600, 4.8300", "lyon-1", "france"]), []);
    expect(served.map(({ siteId, position }) => ({ siteId, position }))).toEqual(places.map(() => ({ siteId: "site_a", position: LYON })));
  });

  it("tells of a place that cannot be seen any more, without a position", () => {
    expect(reachOf(decided([{ ...PLACE, name: "gone" }], ["gone", "other"]), []).served.map(({ place, position }) => [place, position])).toEqual([
      ["gone", null],
      ["other", null],
    ]);
  });

  it("holds each site once, whether it runs there or is to", () => {
    expect(reachOf(decided([], []), ["site_b", "site_a"]).siteIds).toEqual(["site_b", "site_a"]);
    expect(reachOf({ ...decided([], []), decision: null }, ["site_b"])).toEqual({ name: "video", siteIds: ["site_b"], served: [] });
  });
});
