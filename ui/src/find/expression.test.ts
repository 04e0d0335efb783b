import { describe, expect, test } from "vitest";

import { State } from "../live/states";
import { parseExpression, quoted, toggled } from "./expression";

describe("reading an expression", () => {
  test.each([
    ["paris", [{ field: "text", value: "paris", not: false }]],
    ["-Paris", [{ field: "text", value: "paris", not: true }]],
    ['"edge site"', [{ field: "text", value: "edge site", not: false }]],
    ['site:"New York"', [{ field: "site", value: "new york", not: false }]],
    ["kind:nodes", [{ field: "kind", value: "node", not: false }]],
    ["state:down", [{ field: "state", value: State.DOWN, not: false }]],
    ["-state:ready", [{ field: "state", value: State.READY, not: true }]],
    ["zone=west", [{ field: "label", key: "zone", value: "west", not: false }]],
    ["label=zone=west", [{ field: "label", key: "zone", value: "west", not: false }]],
    ["label=zone", [{ field: "label", key: "zone", value: null, not: false }]],
    ["example.com/rack=", [{ field: "label", key: "example.com/rack", value: "", not: false }]],
    ["http://x", [{ field: "text", value: "http://x", not: false }]],
    ["", []],
    ["-", [{ field: "text", value: "-", not: false }]],
  ])("%s", (text, terms) => {
    expect(parseExpression(text)).toEqual({ terms, within: null, problems: [] });
  });

  test.each([
    ["within:3hops", { unit: "hops", distance: 3 }],
    ["within:1hop", { unit: "hops", distance: 1 }],
    ["within:7.5ms", { unit: "ms", distance: 7.5 }],
  ])("%s is a distance", (text, within) => {
    expect(parseExpression(text).within).toEqual(within);
  });

  test.each([
    ["kind:cat", "unknown-kind"],
    ["state:asleep", "unknown-state"],
    ["within:far", "bad-within"],
    ["-within:3hops", "not-within"],
    ["site:", "empty"],
  ])("%s is told and left out", (text, reason) => {
    const { terms, problems } = parseExpression(`paris ${text}`);
    expect(terms).toHaveLength(1);
    expect(problems).toEqual([{ word: text, reason }]);
  });

  test("a word that is chosen twice is gone again", () => {
    expect(toggled("paris", "state:down")).toBe("paris state:down");
    expect(toggled("paris state:down", "state:down")).toBe("paris");
    expect(parseExpression(`site:${quoted("New York")}`).terms).toEqual([{ field: "site", value: "new york", not: false }]);
  });
});
