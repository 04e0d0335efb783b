import { readFileSync } from "node:fs";

import { buildSchema, type GraphQLSchema, parse, validate } from "graphql";
import { beforeAll, describe, expect, test } from "vitest";

import { KINDS } from "../lists/kinds";
import { listDocument } from "../lists/document";
import { TOPOLOGY } from "../live/query";
import { REFUSALS, WHY } from "./DeploymentWhy";
import { HEAD } from "./EntityPage";
import { factsDocument, factsOf, TYPES } from "./facts";
import { FOLLOW } from "./OperationProgress";
import { SECTIONS } from "./sections";

let schema: GraphQLSchema;
beforeAll(() => {
  schema = buildSchema(readFileSync(new URL("../../../schema/schema.graphql", import.meta.url), "utf8"));
});

function problems(document: string): readonly string[] {
  return validate(schema, parse(document)).map((error) => error.message);
}

test.each([
  ["the head", HEAD],
  ["why", WHY],
  ["refusals", REFUSALS],
  ["an operation", FOLLOW],
  ["the live topology", TOPOLOGY],
])("the document of %s is of the schema", (_, document) => {
  expect(problems(document)).toEqual([]);
});

describe.each(TYPES.filter((type) => factsOf(type) !== null))("the page of a %s", (type) => {
  test("asks only for what the schema has", () => {
    const facts = factsOf(type);
    expect(facts && problems(factsDocument(facts))).toEqual([]);
  });

  test("lists what belongs to it by filters of the schema", () => {
    for (const section of SECTIONS[type] ?? []) {
      const kind = KINDS[section.kind];
      const filter = JSON.stringify(section.filter("x_1")).replaceAll(/"(\w+)":/g, "$1:");
      expect(problems(`{ ${kind.field}(filter: ${filter}) { nodes { id } } }`)).toEqual([]);
      expect(problems(listDocument(kind, kind.columns))).toEqual([]);
    }
  });
});
