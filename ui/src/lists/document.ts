// The query of a list, made from the columns that are shown: what is not shown is not asked for.

import type { Expression } from "../find/expression";
import { STATE_KEYS } from "../live/states";
import type { Column, Kind } from "./kinds";

export interface Sort {
  readonly order: string;
  readonly descending: boolean;
}

/** The query text, with the variables `first`, `after`, `filter` and `orderBy`. */
export function listDocument(kind: Kind, columns: readonly Column[]): string {
  const selections = [...new Set(["id", ...columns.map((column) => column.select)])].join("\n        ");
  return `query List($first: Int!, $after: String, $filter: ${kind.type}Filter, $orderBy: [${kind.type}Order!]) {
    list: ${kind.field}(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
      nodes {
        ${selections}
      }
      pageInfo { hasNextPage endCursor }
    }
  }`;
}

/** How many there are in all; asked once a filter, beside the first page. */
export function countDocument(kind: Kind): string {
  return `query Count($filter: ${kind.type}Filter) { list: ${kind.field}(first: 0, filter: $filter) { totalCount } }`;
}

/** The variable `orderBy`. */
export function orderBy(kind: Kind, sort: Sort | null): readonly { field: string; direction: string }[] | null {
  if (sort !== null) return [{ field: sort.order, direction: sort.descending ? "DESC" : "ASC" }];
  return kind.newestFirst ? [{ field: kind.newestFirst, direction: "DESC" }] : null;
}

/** An expression as the kind's filter, and the words that mean nothing for this kind. */
export interface Filtered {
  readonly filter: Readonly<Record<string, unknown>> | null;
  readonly ignored: readonly string[];
}

/** What a name of a site or region in an expression stands for, in ids; looked up in the live picture. */
export interface Names {
  sites(name: string): readonly string[];
  regions(name: string): readonly string[];
  /** Sites within the expression's distance of what it finds; null where it gives none. */
  near: readonly string[] | null;
}

type Condition = Readonly<Record<string, unknown>>;

/** An `or` with nothing in it finds nothing: a filter on no id at all says so. */
const NOTHING: Condition = { id: [] };

export function filterOf(kind: Kind, expression: Expression, names: Names): Filtered {
  const all: Condition[] = [];
  const ignored: string[] = [];
  const { filters } = kind;
  const add = (condition: Condition, not: boolean) => all.push(not ? { not: condition } : condition);
  for (const term of expression.terms) {
    const one = condition(kind, term, names);
    if (one === null) ignored.push(term.field === "label" ? "label" : term.field === "text" ? term.value : term.field);
    else add(one, term.not);
  }
  if (expression.within !== null) {
    if (names.near !== null && filters.site === "self") return { filter: { id: [...names.near] }, ignored };
    if (names.near !== null && filters.site === "site") return { filter: oneOf(names.near.map((id) => ({ site: id }))), ignored };
    ignored.push("within");
  }
  return { filter: all.length === 0 ? null : all.length === 1 ? (all[0] as Condition) : { and: all }, ignored };
}

function condition(kind: Kind, term: Expression["terms"][number], names: Names): Condition | null {
  const { filters } = kind;
  switch (term.field) {
    case "text":
      if (filters.text === undefined) return null;
      return { [filters.text]: { contains: term.value } };
    case "label":
      return filters.labels === true ? { labels: term.value === null ? term.key : `${term.key}=${term.value}` } : null;
    case "state": {
      const key = STATE_KEYS[term.value];
      return key === undefined || filters.state === undefined ? null : filters.state(key);
    }
    case "site":
      if (filters.site === "self") return { id: [...names.sites(term.value)] };
      return filters.site === "site" ? oneOf(names.sites(term.value).map((id) => ({ site: id }))) : null;
    case "region":
      return filters.region === true ? oneOf(names.regions(term.value).map((id) => ({ inRegion: id }))) : null;
    case "tier":
      return kind.type === "Site" ? { tier: { eq: term.value.toUpperCase() } } : null;
    case "role":
      return kind.type === "Site" ? { role: { eq: term.value.toUpperCase() } } : null;
    case "arch":
      return kind.type === "Node" ? { arch: { eq: term.value } } : null;
    case "kind":
      // A list is of one kind: naming it changes nothing, naming another finds nothing.
      return kind.type.toLowerCase() === term.value ? {} : NOTHING;
  }
}

function oneOf(conditions: readonly Condition[]): Condition {
  return conditions.length === 0 ? NOTHING : { or: conditions };
}
