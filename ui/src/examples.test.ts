import { parse } from "graphql";
import { describe, expect, test } from "vitest";

import { EXAMPLES, firstText, grouped, parseExample } from "./examples";

const TEXT = `# The title
# What it shows,
# in two lines.
# group: Heading
# variables: {"limit": 8}
# lookup site: { sites { nodes { id } } }
query Q($limit: Int, $site: ID) {
  # a comment of its own
  a
}
`;

describe("an example's file", () => {
  test("is read into its parts", () => {
    expect(parseExample("010-x", TEXT)).toEqual({
      id: "010-x",
      title: "The title",
      about: "What it shows, in two lines.",
      group: "Heading",
      query: "query Q($limit: Int, $site: ID) {\n  # a comment of its own\n  a\n}\n",
      variables: { limit: 8 },
      lookups: [{ variable: "site", query: "{ sites { nodes { id } } }" }],
    });
  });

  test.each([["{ a }"], ["# title\n{ a }"], ["# title\n# group: g\n# lookup: { a }\n{ a }"]])("%j is refused", (text) => {
    expect(() => parseExample("bad", text)).toThrow("bad");
  });
});

describe("the examples", () => {
  test("are there, each with a title, an explanation and one named operation", () => {
    expect(EXAMPLES.length).toBeGreaterThan(10);
    for (const example of EXAMPLES) {
      const { definitions } = parse(example.query);
      expect(definitions.filter(({ kind }) => kind === "OperationDefinition"), example.id).toHaveLength(1);
      expect(definitions[0], example.id).toHaveProperty("name.value");
      expect(example.about, example.id).not.toBe("");
    }
  });

  test("have titles that differ", () => {
    expect(new Set(EXAMPLES.map(({ title }) => title)).size).toBe(EXAMPLES.length);
  });

  test("are grouped in their order", () => {
    expect([...grouped(EXAMPLES).values()].flat()).toEqual(EXAMPLES);
  });
});

test.each([
  [{ a: { nodes: [{ id: "x" }] } }, "x"],
  [{ a: null, b: "y" }, "y"],
  [{ a: { nodes: [] } }, null],
  [{ a: 3 }, null],
  [null, null],
])("the first text of %j is %s", (data, text) => {
  expect(firstText(data)).toBe(text);
});
