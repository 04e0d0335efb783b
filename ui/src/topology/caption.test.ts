import { describe, expect, it } from "vitest";

import { captionOf, flow } from "./caption";

describe("the caption of a picture", () => {
  it("says what is shown, the revision, the time with its zone, what was looked for, and every state with its count", () => {
    const given = { title: "Map", things: "Sites", totals: Int32Array.of(1200, 0, 3, 1, 0), revision: 5321, find: "tier:metro" };
    const { title, facts, states } = captionOf(given, new Date(Date.UTC(2026, 10, 22, 9, 5, 7)));
    expect(title).toBe("Map");
    expect(facts.join(" · ")).toMatch(/5,321 · .*2026.*:05:07 .*(UTC|GMT|[A-Z]{2,5}).* · .*tier:metro · Sites/);
    expect(states.map(({ words }) => words)).toEqual(["Ready 1,200", "Degraded 0", "Down 3", "Unknown 1", "Cordoned 0"]);
  });

  it("says nothing of a search where nothing is looked for", () => {
    const { facts } = captionOf({ title: "Map", things: "Sites", totals: new Int32Array(5), revision: 1, find: "" }, new Date());
    expect(facts).toHaveLength(3);
  });

  it("goes on in a further line where there is no more room, and never leaves a line empty", () => {
    expect(flow([40, 40, 40], { room: 100, gap: 10 })).toEqual({
      places: [
        { x: 0, line: 0 },
        { x: 50, line: 0 },
        { x: 0, line: 1 },
      ],
      lines: 2,
    });
    expect(flow([500], { room: 100, gap: 10 }).places).toEqual([{ x: 0, line: 0 }]);
    expect(flow([], { room: 100, gap: 10 }).lines).toBe(0);
  });
});
