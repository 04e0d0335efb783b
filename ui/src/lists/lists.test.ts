import { readFileSync } from "node:fs";

import { buildSchema, type GraphQLSchema, parse, validate } from "graphql";
import { beforeAll, describe, expect, test } from "vitest";

import { LIST_KINDS } from "../dashboard/routes";
import { parseExpression } from "../find/expression";
import { nodeColumns, siteColumns, world } from "../live/samples";
import { Topology } from "../live/topology";
import { countDocument, filterOf, listDocument, orderBy } from "./document";
import { toCsv, toJson } from "./exporting";
import { t } from "../messages";
import type { Column, Kind } from "./columns";
import { KINDS } from "./kinds";
import { widthsOf } from "./ListTable";
import { MOST_NEAR, nearOf } from "./near";
import { text } from "./values";

let schema: GraphQLSchema;
beforeAll(() => {
  schema = buildSchema(readFileSync(new URL("../../../schema/schema.graphql", import.meta.url), "utf8"));
});

const near = { ids: ["site_3"], all: 1 };

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

  test.each(["paris", "state:down", "state:ready", "state:cordoned -x", "site:a zone=west", "region:b within:3hops", "tier:metro arch:arm64", "tier:nonsense -role:transit"])(
    "filters by %s as the schema's filter",
    (expression) => {
      const { filter } = filterOf(kind, parseExpression(expression), near);
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
    expect(filterOf(KINDS.users, parseExpression("anna state:down tier:nonsense"), near)).toEqual({
      filter: { or: [{ name: { contains: "anna" } }, { displayName: { contains: "anna" } }] },
      ignored: ["state", "tier"],
      cut: null,
    });
  });

  test("states are those of the picture: a waypoint has none, and what is not well is not cordoned", () => {
    expect(filterOf(KINDS.sites, parseExpression("state:unknown"), near).filter).toEqual({ role: { eq: "COMPUTE" }, health: { eq: "UNKNOWN" } });
    expect(filterOf(KINDS.nodes, parseExpression("state:cordoned"), near).filter).toEqual({ status: { eq: "READY" }, schedulable: false });
    expect(filterOf(KINDS.releases, parseExpression("state:down"), near).filter).toEqual({ phase: { eq: "QUARANTINED" } });
    expect(filterOf(KINDS.deployments, parseExpression("state:cordoned"), near).filter).toEqual({ id: [] });
    expect(filterOf(KINDS.links, parseExpression("state:degraded"), near)).toEqual({ filter: { id: [] }, ignored: [], cut: null });
  });

  test("another kind's name finds nothing, its own changes nothing", () => {
    expect(filterOf(KINDS.sites, parseExpression("kind:node"), near).filter).toEqual({ id: [] });
    expect(filterOf(KINDS.sites, parseExpression("kind:site"), near).filter).toEqual({});
  });
});

describe("words of places", () => {
  test("are asked of the server's sites and regions, so that no number of them is too large", () => {
    const paris = { or: [{ name: { contains: "paris" } }, { displayName: { contains: "paris" } }] };
    expect(filterOf(KINDS.sites, parseExpression("site:paris"), null).filter).toEqual(paris);
    expect(filterOf(KINDS.nodes, parseExpression("site:paris"), null).filter).toEqual({ atSite: paris });
    expect(filterOf(KINDS.links, parseExpression("-region:paris"), null).filter).toEqual({ not: { atSite: { withinRegion: paris } } });
    expect(filterOf(KINDS.instances, parseExpression("tier:metro"), null).filter).toEqual({ atSite: { tier: { eq: "METRO" } } });
  });

  test("free text finds by the name of the site too, as in the picture", () => {
    const paris = { or: [{ name: { contains: "paris" } }, { displayName: { contains: "paris" } }] };
    expect(filterOf(KINDS.links, parseExpression("paris"), null).filter).toEqual({ atSite: paris });
    expect(filterOf(KINDS.releases, parseExpression("-paris"), null).filter).toEqual({
      not: { or: [{ backendName: { contains: "paris" } }, { atSite: paris }] },
    });
    expect(filterOf(KINDS.clusters, parseExpression("site:paris"), null).filter).toEqual({ atSite: paris });
    expect(filterOf(KINDS.regions, parseExpression("region:paris"), null).filter).toEqual({ withinRegion: paris });
  });

  test("around a distance, what is excluded stays so and a kind is that of the list", () => {
    const asked = (kind: Kind, text: string) => filterOf(kind, parseExpression(text), near);
    const wien = { or: [{ name: { contains: "wien" } }, { displayName: { contains: "wien" } }] };
    expect(asked(KINDS.sites, "site:a -wien within:1hop").filter).toEqual({ and: [{ id: ["site_3"] }, { not: wien }] });
    expect(asked(KINDS.nodes, "kind:site a within:1hop").filter).toEqual({ and: [{ atSite: { id: ["site_3"] } }, { id: [] }] });
    expect(asked(KINDS.links, "arch:arm64 within:1hop")).toEqual({
      filter: { not: { atSite: { not: { id: ["site_3"] } } } },
      ignored: [],
      cut: null,
    });
  });

  test.each([3, 1_000, 1_001, MOST_NEAR, MOST_NEAR + 1, 12_000])("%i sites within a distance are all asked for, or the rest is told", (many) => {
    const topology = chain(many);
    const text = `${"0".repeat(26)} within:20000hops`;
    const find = { expression: parseExpression(text) };
    const { filter, cut, ignored } = filterOf(KINDS.nodes, find.expression, nearOf(topology, find));
    const asked = idsOf(filter);
    const taken = Math.min(many, MOST_NEAR);
    expect([asked.length, new Set(asked).size]).toEqual([taken, taken]);
    expect(listsOf(filter).every((list) => list.length <= 1_000)).toBe(true);
    expect(cut).toEqual(taken < many ? { taken, all: many } : null);
    expect(ignored).toEqual([]);
    expect(JSON.stringify(filter).length).toBeLessThan(200 * 1024);
  });
});

/** Sites in a row, each linked with the next. */
function chain(many: number): Topology {
  const topology = new Topology(() => 1);
  const id = (at: number) => `site_${String(at).padStart(26, "0")}`;
  const rows = Array.from({ length: many }, (_, at) => ({ id: id(at), region: "region_0", ordinal: at }));
  const next = rows.slice(1).map((row) => row.id);
  const base = world({ countries: 1, sitesEach: 1, nodesEach: 1 });
  const links = {
    ids: next.map((_, at) => `link_${at}`),
    fromSiteIds: next.map((_, at) => id(at)),
    toSiteIds: next,
    latenciesMs: next.map(() => 1),
    bandwidthsMbps: next.map(() => null),
    states: next.map(() => "UP"),
  };
  topology.load({ ...base, sites: siteColumns(rows), nodes: nodeColumns([]), links });
  return topology;
}

function listsOf(value: unknown): string[][] {
  if (Array.isArray(value)) return value.every((each) => typeof each === "string") ? [value] : value.flatMap(listsOf);
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(listsOf) : [];
}

function idsOf(value: unknown): string[] {
  return listsOf(value).flat();
}

test("all columns of operations are in view at 1280 px, beside the kinds", () => {
  const shown = KINDS.operations.columns.filter((column) => column.hidden !== true);
  expect(Number.parseFloat(widthsOf(shown).least)).toBeLessThanOrEqual((1280 - 192) / 16);
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

  test("numbers are in the unit that the head says", () => {
    const shown = KINDS.nodes.columns.filter((column) => ["cpu", "memory"].includes(column.key));
    const rows = [{ capacity: { cpuMillicores: 8_500, memoryBytes: 2 ** 33 } }];
    expect(toCsv(rows, shown, (key) => t.lists.columns[key] ?? key)).toBe(`"CPU, cores","Memory, bytes"\r\n8.5,${2 ** 33}\r\n`);
    expect(JSON.parse(toJson(rows, shown))).toEqual([{ cpuCores: 8.5, memoryBytes: 2 ** 33 }]);
    const latency = KINDS.links.columns.filter((column) => column.key === "latency");
    expect(toCsv([{ latencyMs: 1.5 }], latency, () => "Latency")).toBe('"Latency, ms"\r\n1.5\r\n');
  });

  test("JSON has the columns' keys", () => {
    expect(JSON.parse(toJson([{ name: "a" }, {}], columns))).toEqual([{ name: "a" }, { name: null }]);
  });
});

test("an event of what is gone has the name that it had, or else its id", () => {
  const [column] = KINDS.events.columns.filter((one) => one.key === "subject");
  const gone = { subject: null, subjectId: "deployment_1", subjectName: "shop" };
  expect(column?.cell(gone)).toEqual(text("shop"));
  expect(column?.cell({ ...gone, subjectName: null })).toEqual(text("deployment_1"));
});
