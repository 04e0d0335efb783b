import { readFileSync } from "node:fs";

import { buildSchema, type GraphQLSchema, parse, validate } from "graphql";
import { beforeAll, describe, expect, test } from "vitest";

import { KINDS } from "../lists/kinds";
import { listDocument } from "../lists/document";
import type { Row } from "../lists/values";
import { TOPOLOGY } from "../live/query";
import { REFUSALS, WHY } from "./DeploymentWhy";
import { HEAD } from "./EntityPage";
import { factsDocument, factsOf, TYPES } from "./facts";
import { FOLLOW } from "./OperationProgress";
import { nameOf } from "./naming";
import { OUTCOMES } from "./Outcomes";
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
  ["outcomes", OUTCOMES],
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

describe("what a thing is called", () => {
  test.each([
    [{ __typename: "Site", displayName: "Wien", name: "vienna" }, "Wien"],
    [{ __typename: "AppVersion", name: "2.1", app: { name: "shop" } }, "shop 2.1"],
    [{ __typename: "Operation", kind: "UPDATE", subject: { name: "arena" } }, "Update of arena"],
    [{ __typename: "Operation", kind: "TERMINATE", subject: null }, "Termination"],
    [{ __typename: "Link", id: "link_1", fromSite: { name: "a" }, toSite: { name: "b", displayName: "B" } }, "a – B"],
    [{ __typename: "RoleBinding", id: "rolebinding_1", role: "ADMIN", subject: { name: "anna" } }, "anna as admin"],
    [{ __typename: "RoleBinding", id: "rolebinding_1", role: "ADMIN", subject: null }, "rolebinding_1"],
  ])("%j", (found, name) => {
    expect(nameOf(found)).toBe(name);
  });
});

describe("what is desired beside what was observed", () => {
  const said = (type: string, row: Row) =>
    (factsOf(type)?.pairs ?? [])
      .filter((pair) => pair.desired(row).is !== "none")
      .map((pair) => [pair.key, pair.desired(row).text, pair.observed(row).text, pair.same ? pair.same(row) : "by its words"]);

  test("of a site: that it takes work, and that it is well", () => {
    const site = { role: "COMPUTE", schedulable: true, health: { status: "DOWN" } };
    expect(said("Site", site)).toEqual([["state", "ready", "down", false]]);
    expect(said("Site", { ...site, schedulable: false })).toEqual([["state", "cordoned, takes no new work", "down", null]]);
    expect(said("Site", { ...site, role: "TRANSIT" })).toEqual([]);
  });

  test("of a deployment: its releases added up", () => {
    const release = (generation: number, ready: number) => ({
      replicas: 2,
      generation: 3,
      component: { appVersion: { name: "1.1" } },
      observed: { present: true, generation, readyReplicas: ready },
    });
    const deployment = {
      phase: "PROGRESSING",
      revisionNumber: 2,
      good: { revisionNumber: 1 },
      appVersion: { name: "1.1" },
      added: { totalCount: 3, nodes: [release(3, 2), release(2, 1), { ...release(0, 0), observed: null }] },
      ready: { totalCount: 1 },
      unwanted: { totalCount: 1 },
    };
    expect(said("Deployment", deployment)).toEqual([
      ["wholeRevision", "2", "1", "by its words"],
      ["version", "1.1", "1.1 × 1, an earlier one × 1", false],
      ["releasesReady", "3", "1", "by its words"],
      ["readyReplicas", "6", "3", "by its words"],
      ["releasesGone", "0", "1", "by its words"],
    ]);
    expect(said("Deployment", { ...deployment, phase: "TERMINATED", unwanted: { totalCount: 0 } })).toEqual([]);
  });
});
