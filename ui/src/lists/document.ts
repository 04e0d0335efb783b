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
  /** Where a distance finds more sites than a filter takes: how many it takes, of how many. */
  readonly cut: { readonly taken: number; readonly all: number } | null;
}

/** Sites within the expression's distance of what it finds: so many of them as a filter takes, and how many there are. */
export interface Near {
  readonly ids: readonly string[];
  readonly all: number;
}

type Condition = Readonly<Record<string, unknown>>;

/** An `or` with nothing in it finds nothing: a filter on no id at all says so. */
const NOTHING: Condition = { id: [] };
/** The server takes so many ids in one list. */
const IDS_AT_MOST = 1_000;

export function filterOf(kind: Kind, expression: Expression, near: Near | null): Filtered {
  const all: Condition[] = [];
  const ignored: string[] = [];
  const add = (condition: Condition, not: boolean) => all.push(not ? { not: condition } : condition);
  for (const term of expression.terms) {
    const one = condition(kind, term);
    if (one === null) ignored.push(term.field === "label" ? "label" : term.field === "text" ? term.value : term.field);
    else add(one, term.not);
  }
  if (expression.within !== null) {
    const nearby = near === null ? null : ofSite(kind, amongIds(near.ids));
    // The distance is from all that the other words find, so it stands in their place.
    if (near !== null && nearby !== null) {
      return { filter: nearby, ignored, cut: near.all > near.ids.length ? { taken: near.ids.length, all: near.all } : null };
    }
    ignored.push("within");
  }
  return { filter: all.length === 0 ? null : all.length === 1 ? (all[0] as Condition) : { and: all }, ignored, cut: null };
}

function condition(kind: Kind, term: Expression["terms"][number]): Condition | null {
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
      return ofSite(kind, called(term.value));
    case "region":
      return ofSite(kind, { withinRegion: called(term.value) });
    case "tier":
      return ofSite(kind, TIERS.includes(term.value) ? { tier: { eq: term.value.toUpperCase() } } : NOTHING);
    case "role":
      return ofSite(kind, ROLES.includes(term.value) ? { role: { eq: term.value.toUpperCase() } } : NOTHING);
    case "arch":
      return kind.type === "Node" ? { arch: { eq: term.value } } : null;
    case "kind":
      // A list is of one kind: naming it changes nothing, naming another finds nothing.
      return kind.type.toLowerCase() === term.value ? {} : NOTHING;
  }
}

const TIERS = ["national", "regional", "metro", "district"];
const ROLES = ["compute", "transit"];

/** What is asked of a site, asked of the kind; null where it is at none. The server looks for the sites: however many. */
function ofSite({ filters }: Kind, site: Condition): Condition | null {
  if (filters.site === "self") return site;
  return filters.site === "site" ? { atSite: site } : null;
}

/** A name as the picture finds it: a part of the name or of what is shown in its place. */
function called(name: string): Condition {
  return { or: [{ name: { contains: name } }, { displayName: { contains: name } }] };
}

function amongIds(ids: readonly string[]): Condition {
  if (ids.length <= IDS_AT_MOST) return { id: [...ids] };
  const lists = Array.from({ length: Math.ceil(ids.length / IDS_AT_MOST) }, (_, at) => ids.slice(at * IDS_AT_MOST, (at + 1) * IDS_AT_MOST));
  return { or: lists.map((id) => ({ id })) };
}
