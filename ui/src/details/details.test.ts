import { readFileSync } from "node:fs";

import { buildSchema, getVariableValues, type GraphQLSchema, Kind, parse, validate } from "graphql";
import { beforeAll, describe, expect, test } from "vitest";

import { KINDS } from "../lists/kinds";
import { listDocument } from "../lists/document";
import type { Row } from "../lists/values";
import { TOPOLOGY } from "../live/query";
import { quality } from "./Decision";
import { countsOf, STATUS } from "./DeploymentActions";
import { DISPLACED, FENCE, fenceable } from "./Displaced";
import { HOLD, RESUME } from "./HoldActions";
import { DELETE, APPLY, STANDING } from "./PlanActions";
import { STEP, STEP_REFUSALS, STEPS } from "./PlanSteps";
import { REFUSALS, WHY } from "./DeploymentWhy";
import { HEAD } from "./EntityPage";
import { factsDocument, factsOf, TYPES } from "./facts";
import { CANCEL, OPERATION, operationVerbs, RETRY as RETRY_OPERATION } from "./OperationActions";
import { FOLLOW } from "./OperationProgress";
import { nameOf } from "./naming";
import { OUTCOMES } from "./Outcomes";
import { replicasOf, rowsOf, withUnit } from "./rows";
import { SECTIONS } from "./sections";
import { SITES } from "./SitesField";
import { HERE } from "./SiteWhy";
import { isExpired, supposed } from "./supposed";
import { askable, earlierOf, formDocument, formsOf, inputOf, NOTHING_SAID, sitesOf, valuesOf, verbDocument } from "./verbs";

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
  ["what may be asked of an operation", OPERATION],
  ["taking an operation back", CANCEL],
  ["trying an operation again", RETRY_OPERATION],
  ["outcomes", OUTCOMES],
  ["the steps of a plan", STEPS],
  ["the reasons of a step", STEP],
  ["the refusals of a step", STEP_REFUSALS],
  ["where a plan stands", STANDING],
  ["applying a plan", APPLY],
  ["the status of a deployment", STATUS],
  ["deleting a plan", DELETE],
  ["what was lost", DISPLACED],
  ["saying that nothing runs there", FENCE],
  ["a hold on moves", HOLD],
  ["having moves go on", RESUME],
  ["the sites of a form", SITES],
  ["why apps run at a site", HERE],
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

describe("what may be asked of a deployment", () => {
  const every = ["APPROVE", "UPDATE", "PAUSE", "STOP", "RESUME", "ROLL_BACK", "TERMINATE"];

  test.each([
    [{ possibleVerbs: ["UPDATE", "PAUSE", "STOP", "TERMINATE"], revisionNumber: 1 }, ["PAUSE", "STOP", "TERMINATE"]],
    [{ possibleVerbs: ["RESUME", "TERMINATE"], revisionNumber: 1 }, ["RESUME", "TERMINATE"]],
    [{ possibleVerbs: ["APPROVE"], revisionNumber: 1, proposal: null }, []],
    [{ possibleVerbs: every, revisionNumber: 3, proposal: { number: 4 } }, ["APPROVE", "RESUME", "PAUSE", "STOP", "TERMINATE"]],
    [{}, []],
  ])("%j", (deployment, verbs) => {
    expect(askable(deployment).map((one) => one.verb)).toEqual(verbs);
  });

  test("names the revision that is approved", () => {
    const found = askable({ possibleVerbs: every, revisionNumber: 3, proposal: { number: 4 } });
    expect(found.filter((one) => "revisionNumber" in one.given).map((one) => [one.verb, one.given.revisionNumber])).toEqual([["APPROVE", 4]]);
  });

  test("goes back to any revision but the one that it has, and the one that waits", () => {
    const nodes = [
      { number: 5, outcome: "WAITING" },
      { number: 4, outcome: "UNDER_WAY" },
      { number: 3, outcome: "OVERTAKEN" },
      { number: 1, outcome: "READY" },
    ];
    expect(earlierOf({ revisionNumber: 4, revisions: { nodes } }).map((one) => one.number)).toEqual([3, 1]);
    expect(earlierOf({})).toEqual([]);
  });

  test("shows the values that hold everywhere, of what waits where something does", () => {
    const value = { image: { tag: "2" } };
    const overrides = [
      { component: "web", path: "image.tag", value: "1", siteIds: [] },
      { component: "web", path: null, value, siteIds: [] },
      { component: "web", path: null, document: "a: 1", siteIds: ["site_1"] },
      { component: "db", path: null, document: "b: 2", siteIds: [] },
    ];
    expect(JSON.parse(valuesOf({ overrides }, "web"))).toEqual(value);
    expect(valuesOf({ overrides }, "db")).toBe("b: 2");
    expect(valuesOf({ overrides, proposal: { overrides: [] } }, "db")).toBe("");
  });

  test("is asked for by documents of the schema", () => {
    for (const one of askable({ possibleVerbs: every, revisionNumber: 3, proposal: { number: 4 } })) {
      expect(problems(verbDocument(one))).toEqual([]);
    }
  });

  test.each([
    [{ possibleVerbs: ["ADD_SITES", "MIGRATE", "STOP"] }, ["ADD_SITES", "MIGRATE"]],
    [{ possibleVerbs: ["ADJUST_SITE", "REMOVE_SITES", "ADD_SITES", "MIGRATE"] }, ["ADD_SITES", "REMOVE_SITES", "ADJUST_SITE", "MIGRATE"]],
    [{ possibleVerbs: ["ROLL_BACK", "SCALE", "UPDATE"], revisionNumber: 2 }, ["UPDATE", "SCALE", "ROLL_BACK"]],
    [{ possibleVerbs: ["ROLL_BACK"], revisionNumber: 1 }, []],
    [{ possibleVerbs: ["RESUME"] }, []],
    [{}, []],
  ])("with a form: %j", (deployment, verbs) => {
    expect(formsOf(deployment)).toEqual(verbs);
  });

  test.each([
    ["ADD_SITES", { sites: ["site_1", "site_2"] }, { siteIds: ["site_1", "site_2"] }],
    ["ADD_SITES", {}, null],
    ["REMOVE_SITES", { sites: ["site_1"] }, { siteIds: ["site_1"] }],
    ["REMOVE_SITES", { version: "appversion_2" }, null],
    ["ADJUST_SITE", { sites: ["site_1"], replicas: { web: " 3", db: "" } }, { siteId: "site_1", replicas: [{ name: "web", count: 3 }] }],
    ["ADJUST_SITE", { sites: ["site_1"] }, { siteId: "site_1" }],
    ["ADJUST_SITE", { sites: ["site_1"], replicas: { web: "0" } }, { siteId: "site_1", replicas: [{ name: "web", count: 0 }] }],
    ["ADJUST_SITE", { sites: ["site_1"], replicas: { web: "-1" } }, null],
    ["ADJUST_SITE", { sites: ["site_1"], replicas: { web: "many" } }, null],
    ["ADJUST_SITE", { replicas: { web: "3" } }, null],
    ["MIGRATE", { sites: ["site_2"] }, { toSiteIds: ["site_2"] }],
    ["MIGRATE", { version: "appversion_2" }, { appVersionId: "appversion_2" }],
    ["MIGRATE", { sites: ["site_2"], version: "appversion_2" }, { toSiteIds: ["site_2"], appVersionId: "appversion_2" }],
    ["MIGRATE", {}, null],
    ["UPDATE", { version: "appversion_2" }, { appVersionId: "appversion_2" }],
    ["UPDATE", { values: { web: " a: 1\n" } }, null],
    [
      "UPDATE",
      { values: { web: "a: 2" } },
      { overrides: [{ component: "web", path: "b", value: 3, siteIds: ["site_1"] }, { component: "web", document: "a: 2" }], expectedRevision: 7 },
    ],
    ["UPDATE", { values: { web: "" } }, { overrides: [{ component: "web", path: "b", value: 3, siteIds: ["site_1"] }], expectedRevision: 7 }],
    ["UPDATE", {}, null],
    ["SCALE", { replicas: { web: "3", db: "" } }, { replicas: [{ name: "web", count: 3 }] }],
    ["SCALE", { replicas: { web: "" } }, null],
    ["SCALE", { replicas: { web: "-1" } }, null],
    ["ROLL_BACK", { revision: "2" }, { revisionNumber: 2 }],
    ["ROLL_BACK", { revision: "0" }, null],
    ["ROLL_BACK", {}, null],
  ] as const)("%s of %j asks for %j", (verb, said, input) => {
    const web = { component: "web", siteSelector: null };
    const overrides = [
      { ...web, path: null, value: null, document: "a: 1", siteIds: [] },
      { ...web, path: "b", value: 3, document: null, siteIds: ["site_1"] },
    ];
    expect(inputOf(verb, { ...NOTHING_SAID, ...said }, { revision: 7, overrides, proposal: null })).toEqual(input);
    if (input !== null) {
      const document = parse(formDocument(verb));
      expect(validate(schema, document).map((error) => error.message)).toEqual([]);
      const given = { input: { id: "deployment_1", idempotencyKey: "key", ...input } };
      const [operation] = document.definitions;
      if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error("no operation");
      expect(getVariableValues(schema, operation.variableDefinitions ?? [], given).errors).toBeUndefined();
    }
  });

  test("at single sites knows where it is, as far as one sees that", () => {
    const nodes = [{ site: { id: "site_1", name: "vienna" } }, { site: null }];
    expect(sitesOf({ siteStatuses: { nodes } })).toEqual([{ id: "site_1", name: "vienna" }]);
    expect(sitesOf({})).toEqual([]);
  });

  test("is shown beside what is desired, applied, ready and unknown", () => {
    const status = { sites: { desired: 3, applied: 3, ready: 2, unknown: 1 }, replicas: { desired: 6, ready: 4 } };
    expect(countsOf(status).map(([, counts]) => counts)).toEqual([
      [3, 3, 2, 1],
      [0, 0, 0, 0],
      [6, 0, 4, 0],
    ]);
  });
});

describe("what may be asked of an operation", () => {
  const both = { possibleVerbs: ["CANCEL", "RETRY"] };
  const left = { totalCount: 1 };
  test.each([
    [{ kind: "UPDATE", status: "RUNNING", subject: both, left: { totalCount: 0 } }, ["CANCEL"]],
    [{ kind: "UPDATE", status: "RUNNING", subject: both, left }, ["CANCEL", "RETRY"]],
    [{ kind: "UPDATE", status: "PARTIAL", subject: both, left }, ["RETRY"]],
    [{ kind: "UPDATE", status: "CANCELLING", subject: { possibleVerbs: ["CANCEL"] }, left }, []],
    [{ kind: "STOP", status: "RUNNING", subject: both, left: { totalCount: 0 } }, []],
    [{ kind: "APPLY_DOCUMENTS", status: "RUNNING", subject: null, left: { totalCount: 0 } }, []],
    [{ kind: "DRAIN", status: "RUNNING", subject: null, left: { totalCount: 0 } }, ["CANCEL"]],
    [{ kind: "UPDATE", status: "RUNNING", subject: null, left }, []],
  ])("%j", (operation, verbs) => {
    expect(operationVerbs(operation)).toEqual(verbs);
  });
});

describe("what a thing is called", () => {
  test.each([
    [{ __typename: "Site", displayName: "Wien", name: "vienna" }, "Wien"],
    [{ __typename: "AppVersion", name: "2.1", app: { name: "shop" } }, "shop 2.1"],
    [{ __typename: "Operation", kind: "UPDATE", subject: { name: "arena" } }, "Update of arena"],
    [{ __typename: "Operation", kind: "TERMINATE", subject: null }, "Termination"],
    [{ __typename: "Plan", id: "plan_1", planKind: "DRAIN", planned: { name: "vienna", displayName: "Wien" } }, "Drain of Wien"],
    [{ __typename: "Plan", id: "plan_1", planKind: "DEPLOYMENT", deploymentName: "shop", planned: null }, "Placement of shop"],
    [{ __typename: "Plan", id: "plan_1", displayName: "friday", planKind: "REBALANCE", planned: null }, "friday"],
    [{ __typename: "Plan", id: "plan_1", planKind: "REBALANCE", planned: null }, "Rebalance"],
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
    const release = (generation: number, ready: number, retiresAfter: number | null = null) => ({
      replicas: 2,
      retiresAfter,
      generation: 3,
      component: { appVersion: { name: "1.1" } },
      observed: { present: true, generation, readyReplicas: ready },
    });
    const deployment = {
      phase: "PROGRESSING",
      revisionNumber: 2,
      good: { revisionNumber: 1 },
      appVersion: { name: "1.1" },
      added: { totalCount: 4, nodes: [release(3, 2), release(2, 1), { ...release(0, 0), observed: null }, release(3, 2, 3)] },
      staying: { totalCount: 3 },
      ready: { totalCount: 1 },
      status: { retiringReadyReplicas: 2 },
      unwanted: { totalCount: 1 },
    };
    expect(said("Deployment", deployment)).toEqual([
      ["wholeRevision", "2", "1", "by its words"],
      ["version", "1.1", "1.1 × 2, an earlier one × 1", false],
      ["releasesReady", "3", "1", "by its words"],
      ["readyReplicas", "6", "3", "by its words"],
      ["retiringReadyReplicas", "0", "2", "by its words"],
      ["releasesGone", "0", "1", "by its words"],
    ]);
    expect(said("Deployment", { ...deployment, phase: "TERMINATED", unwanted: { totalCount: 0 }, status: null })).toEqual([]);
  });
});

describe("what a plan supposes of the graph", () => {
  const name = (id: string) => ({ site_1: "Wien", link_1: "Wien – Graz", region_1: "Austria", node_1: "w1" })[id] ?? id;
  test.each([
    [{ siteLost: { siteId: "site_1", withLinks: false } }, "Wien is lost"],
    [{ siteLost: { siteId: "site_1", withLinks: true } }, "Wien is lost, and its links with it"],
    [{ link: { linkId: "link_1", state: "DOWN", latencyMs: null } }, "Wien – Graz: it is lost"],
    [{ link: { linkId: "link_1", state: "UP", latencyMs: 12.5 } }, "Wien – Graz: it is there again, it takes 12.5 ms"],
    [{ price: { siteId: "site_1", pricePerCoreHour: 0.25 } }, "a core at Wien costs 0.25 an hour"],
    [{ demand: { factor: 2, regionIds: [] } }, "demand everywhere is 2 times what it is"],
    [{ demand: { factor: 2, regionIds: ["region_1"] } }, "demand in Austria is 2 times what it is"],
    [{ capacity: { factor: 0.5, siteIds: ["site_1"], nodeIds: ["node_1"] } }, "Wien, w1 0.5 times what it is"],
    [{ nodesAdded: { siteId: "site_1", count: 3 } }, "Wien has 3 more nodes"],
    [{ cordon: { entityId: "site_9", schedulable: false } }, "site_9 is cordoned"],
  ])("%j", (change, words) => {
    const whole = { siteLost: null, link: null, price: null, demand: null, capacity: null, nodesAdded: null, cordon: null, ...change };
    expect(supposed([whole], name)).toEqual([words]);
  });

  test("nothing where nothing is supposed", () => {
    expect(supposed(undefined, name)).toEqual([]);
    expect(supposed([{}], name)).toEqual([]);
  });
});

describe("a plan that expires", () => {
  const expiresAt = "2026-01-01T12:00:00Z";
  test.each([
    [-1, false],
    [0, true],
    [1, true],
  ])("%i ms after its time", (after, expired) => {
    expect(isExpired({ expiresAt }, Date.parse(expiresAt) + after)).toBe(expired);
  });

  test("one that says nothing has not", () => {
    expect(isExpired({}, 0)).toBe(false);
    expect(isExpired(null, 0)).toBe(false);
  });
});

describe("what a decision says of a site", () => {
  test("the replicas of each component", () => {
    const placement = { components: [{ replicas: 2, component: { name: "web" } }, { replicas: 1, component: null }] };
    expect(replicasOf(placement)).toBe("web × 2, ? × 1");
    expect(replicasOf(undefined)).toBe("");
  });

  test("an amount with its unit, and words without", () => {
    expect(withUnit("500", "millicores")).toBe("500 millicores");
    expect(withUnit("amd64", "")).toBe("amd64");
    expect(withUnit("amd64", undefined)).toBe("amd64");
  });

  test("only rows of what is a list", () => {
    expect(rowsOf([{ a: 1 }, 2, null])).toEqual([{ a: 1 }]);
    expect(rowsOf({ a: 1 })).toEqual([]);
  });
});

describe("what somebody may say of a place that was lost", () => {
  const loss = (kind: string, fence: unknown = null) => ({ kind, subject: { id: kind, name: kind, fence } });
  const waiting = (state: string, ...losses: unknown[]) => ({ displacement: { state, losses } });

  test("is asked of places that do not answer, once, and where a copy is waited for", () => {
    const found = fenceable(waiting("AWAITING_OLD", loss("SITE_DOWN"), loss("NODE_NOT_READY"), loss("CAPACITY"), loss("SITE_DOWN", { at: "now" })));
    expect(found.map((place) => place.name)).toEqual(["SITE_DOWN", "NODE_NOT_READY"]);
  });

  test("is asked of the nodes that a copy runs on through a control plane that is away, or of its site where none are known", () => {
    const place = (name: string, fence: unknown = null) => ({ id: name, name, fence });
    const release = (cluster: string, site: string, ...nodes: unknown[]) => ({
      cluster: { id: cluster },
      site: place(site),
      assignments: nodes.map((node) => ({ node })),
    });
    const releases = [
      release("away", "Vienna", place("rack-1"), place("rack-2", { at: "now" }), null),
      release("away", "Vienna", place("rack-1")),
      release("away", "Graz"),
      release("other", "Vienna", place("rack-3")),
    ];
    const of = (state: string) => ({
      displacement: { state, losses: [{ kind: "CLUSTER_DOWN", subject: { id: "away", name: "away" } }] },
      releases: { nodes: releases },
    });
    expect(fenceable(of("AWAITING_OLD")).map((one) => one.name)).toEqual(["rack-1", "Graz"]);
    expect(fenceable(of("HELD"))).toEqual([]);
    expect(fenceable(waiting("AWAITING_OLD", loss("CLUSTER_DOWN")))).toEqual([]);
  });

  test("is asked of none where nothing waits for it", () => {
    expect(fenceable(waiting("HELD", loss("SITE_DOWN")))).toEqual([]);
    expect(fenceable({ displacement: null })).toEqual([]);
    expect(fenceable(null)).toEqual([]);
  });
});

test("a hold is called by what it holds", () => {
  expect(nameOf({ __typename: "FailoverHold", id: "failoverhold_1", region: { name: "coast" } })).toBe("Hold of coast");
  expect(nameOf({ __typename: "FailoverHold", id: "failoverhold_1", region: null })).toBe("Hold of the whole network");
});

test.each([
  [{ gap: 0.0123, boundKind: "LP" }, [1.9, 0], "At most 1.23 % above the best possible (bound: LP)."],
  [{ gap: null, boundKind: "LP" }, [2, 0], "Nothing costs less than 2, then 0 (bound: LP)."],
  [{ gap: null, boundKind: "LP" }, [2, null], "Found by search; a better choice may exist."],
  [{ gap: null, boundKind: "NONE" }, [null], "Found by search; a better choice may exist."],
])("says of a choice that is not proved how far it may be from the best: %j, bounds %j", (told, bounds, words) => {
  const tiers = bounds.map((bound) => ({ terms: ["price"], cost: 2, bound }));
  expect(quality({ status: "FEASIBLE", feasible: true, proven: false, irreducible: [], ...told, objective: { tiers } })).toBe(words);
});
