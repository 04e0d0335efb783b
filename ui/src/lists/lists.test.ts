import { readFileSync } from "node:fs";

import { buildSchema, type GraphQLSchema, parse, validate } from "graphql";
import { beforeAll, describe, expect, test } from "vitest";

import { LIST_KINDS } from "../dashboard/routes";
import { parseExpression } from "../find/expression";
import { countDocument, filterOf, listDocument, orderBy } from "./document";
import { toCsv, toJson } from "./exporting";
import { type Column, KINDS } from "./kinds";
import { text } from "./values";

let schema: GraphQLSchema;
beforeAll(() => {
  schema = buildSchema(readFileSync(new URL("../../../schema/schema.graphql", import.meta.url), "utf8"));
});

const names = { sites: () => ["site_1", "site_2"], regions: () => ["region_1"], near: ["site_3"] };

describe.each(LIST_KINDS)("the list of %s", (word) => {
  const kind = KINDS[word];

  test("asks only for what the schema has", () => {
    for (const document of [listDocument(kind, kind.columns), countDocument(kind)]) {
      expect(validate(schema, parse(document)).map((error) => error.message)).toEqual([]);
    }
  });

  test("orders only by what the schema orders by", () => {
    const type = schema.getType(`${kind.type}OrderField`);
    const known = type && "getValues" in type ? type.getValues().map((value) => value.name) : [];
    const used = kind.columns.flatMap((column) => (column.order ? [column.order] : []));
    expect(used.filter((order) => !known.includes(order))).toEqual([]);
    for (const { field } of orderBy(kind, null) ?? []) expect(known).toContain(field);
  });

  test("has no two columns of one key", () => {
    expect(new Set(kind.columns.map((column) => column.key)).size).toBe(kind.columns.length);
  });

  test.each(["paris", "state:down", "state:ready", "state:cordoned -x", "site:a zone=west", "region:b within:3hops", "tier:metro arch:arm64"])(
    "filters by %s as the schema's filter",
    (expression) => {
      const { filter } = filterOf(kind, parseExpression(expression), names);
      const literal = filter === null ? "null" : graphqlLiteral(filter);
      const document = `{ list: ${kind.field}(first: 1, filter: ${literal}) { nodes { id } } }`;
      expect(validate(schema, parse(document)).map((error) => error.message)).toEqual([]);
    },
  );
});

/** A filter as a GraphQL literal; capitals are enums, for no test's text is in capitals. */
function graphqlLiteral(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(graphqlLiteral).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    return `{ ${Object.entries(value)
      .map(([key, each]) => `${key}: ${graphqlLiteral(each)}`)
      .join(", ")} }`;
  }
  return typeof value === "string" && /^[A-Z_]+$/.test(value) ? value : JSON.stringify(value);
}

describe("what a word cannot mean for a kind", () => {
  test("is told", () => {
    expect(filterOf(KINDS.users, parseExpression("anna state:down"), names)).toEqual({
      filter: { name: { contains: "anna" } },
      ignored: ["state"],
    });
  });

  test("another kind's name finds nothing, its own changes nothing", () => {
    expect(filterOf(KINDS.sites, parseExpression("kind:node"), names).filter).toEqual({ id: [] });
    expect(filterOf(KINDS.sites, parseExpression("kind:site"), names).filter).toEqual({});
  });
});

describe("a list as a file", () => {
  const columns: Column[] = [{ key: "name", select: "name", cell: (row) => text(row.name) }];
  test.each([
    ["plain", "plain"],
    ["a,b", '"a,b"'],
    ['say "x"', '"say ""x"""'],
    ["=HYPERLINK(1)", "'=HYPERLINK(1)"],
    ["-5", "-5"],
    ["two\nlines", '"two\nlines"'],
  ])("%j in CSV", (value, expected) => {
    expect(toCsv([{ name: value }], columns, (key) => key)).toBe(`name\r\n${expected}\r\n`);
  });

  test("JSON has the columns' keys", () => {
    expect(JSON.parse(toJson([{ name: "a" }, {}], columns))).toEqual([{ name: "a" }, { name: null }]);
  });
});
