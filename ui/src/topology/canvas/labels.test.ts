import { describe, expect, it } from "vitest";

import { State } from "../../live/states";
import type { Frame } from "./frame";
import { countsOf, shares } from "./labels";

describe("what a region's name says of its nodes from far", () => {
  const counts = Int32Array.of(9, 9, 9, 9, 9, 1200, 0, 1, 0, 2);

  it("is the count of every state that there is", () => {
    const frame = { topology: { regions: { nodeCounts: counts } } } as unknown as Frame;
    expect(countsOf(frame, 1)).toBe("1,200 ✓  1 ×  2 –");
    expect(countsOf(frame, 1, " ")).toBe("1,200 ✓ 1 × 2 –");
  });

  it("is a bar where that has no room, with every state in it, one node among a thousand too", () => {
    const parts = shares(counts, 1, 50);
    expect(parts.map(({ state }) => state)).toEqual([State.READY, State.DOWN, State.CORDONED]);
    expect(parts.every(({ share }) => share >= 3)).toBe(true);
    expect(parts.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(50);
    expect(shares(counts, 1, 6).map(({ share }) => Math.round(share))).toEqual([2, 2, 2]);
  });
});
