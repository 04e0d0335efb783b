import { describe, expect, it } from "vitest";

import { STATES } from "../../live/states";
import { tracePath } from "../glyphs";
import { markIn } from "./nodes";

describe("marks of nodes", () => {
  it("are within their squares, and out of the way of names", () => {
    for (const size of [8, 12, 30, 44, 80, 110, 160]) {
      for (const names of [false, true]) {
        const mark = markIn(size, names);
        expect(mark.x).toBeGreaterThanOrEqual(0);
        expect(mark.x + mark.size).toBeLessThanOrEqual(size);
        // The mark itself leaves a quarter of its box empty on each side.
        if (names && size < 110) expect(mark.y + mark.size * 0.2).toBeGreaterThan(size < 44 ? 0 : 13);
      }
    }
  });

  it("are there for every state", () => {
    for (const state of STATES) {
      let steps = 0;
      const step = () => (steps += 1);
      tracePath({ moveTo: step, lineTo: step, quadraticCurveTo: step }, state, 0, 0, 10);
      expect(steps).toBeGreaterThan(1);
    }
  });
});
