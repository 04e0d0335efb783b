// The query of a list, made from the columns that are shown: what is not shown is not asked for.

import type { Expression, Term } from "../find/expression";
import { holdsAround } from "../find/match";
import { STATE_KEYS } from "../live/states";
import { type Column, FINDS_NOTHING, type Kind } from "./columns";

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

/** The server takes so many ids in one list. */
const IDS_AT_MOST = 1_000;

export function filterOf(kind: Kind, expression: Expression, near: Near | null): Filtered {
  const ignored: string[] = [];
  const conditions = (terms: readonly Term[]) =>
    terms.flatMap((term): Condition[] => {
      const one = condition(kind, term);
      if (one === null) ignored.push(term.field === "label" ? "label" : term.field === "text" ? term.value : term.field);
      else return [term.not ? { not: one } : one];
      return [];
    });
  const { terms, within } = expression;
  if (within === null) return { filter: all(conditions(terms)), ignored, cut: null };
  const around = near === null ? null : nearSites(kind, near.ids);
  if (near === null || around === null) {
    ignored.push("within");
    return { filter: all(conditions(terms)), ignored, cut: null };
  }
  // The distance is from all that the words find, and stands in their place, but for those that hold around it too. What
  // was not understood of the others has gone into the distance: nothing is ignored.
  const kept = conditions(terms.filter(holdsAround));
  return { filter: all([around, ...kept]), ignored, cut: near.all > near.ids.length ? { taken: near.ids.length, all: near.all } : null };
}

function all(conditions: readonly Condition[]): Condition | null {
  return conditions.length === 0 ? null : conditions.length === 1 ? (conditions[0] as Condition) : { and: conditions };
}

function condition(kind: Kind, term: Term): Condition | null {
  const { filters } = kind;
  switch (term.field) {
    case "text":
      return text(kind, term.value);
    case "label":
      return filters.labels === true ? { labels: term.value === null ? term.key : `${term.key}=${term.value}` } : null;
    case "state": {
      const key = STATE_KEYS[term.value];
      return key === undefined || filters.state === undefined ? null : filters.state(key);
    }
    case "site":
      return ofSite(kind, called(term.value));
    case "region": {
      const within = { withinRegion: called(term.value) };
      return filters.place === "region" ? within : ofSite(kind, within);
    }
    case "tier":
      return ofSite(kind, TIERS.includes(term.value) ? { tier: { eq: term.value.toUpperCase() } } : FINDS_NOTHING);
    case "role":
      return ofSite(kind, ROLES.includes(term.value) ? { role: { eq: term.value.toUpperCase() } } : FINDS_NOTHING);
    case "arch":
      return kind.type === "Node" ? { arch: { eq: term.value } } : null;
    case "kind":
      // A list is of one kind: naming it changes nothing, naming another finds nothing.
      return kind.type.toLowerCase() === term.value ? {} : FINDS_NOTHING;
  }
}

const TIERS = ["national", "regional", "metro", "district"];
const ROLES = ["compute", "transit"];

/** A part of a name: of its own, or of the site that it is at, as in the picture. */
function text(kind: Kind, value: string): Condition | null {
  const own = (kind.filters.text ?? []).map((field) => ({ [field]: { contains: value } }));
  const either = kind.filters.place === "at-site" ? [...own, { atSite: called(value) }] : own;
  return either.length === 0 ? null : either.length === 1 ? (either[0] as Condition) : { or: either };
}

/** What is asked of a site, asked of the kind; null where it is at none. The server looks for the sites: however many. */
function ofSite({ filters }: Kind, site: Condition): Condition | null {
  if (filters.place === "site") return site;
  return filters.place === "at-site" ? { atSite: site } : null;
}

/** At one of these sites. A link lies between sites: both are to be among them. */
function nearSites(kind: Kind, ids: readonly string[]): Condition | null {
  if (kind.type === "Link") return { not: { atSite: { not: amongIds(ids) } } };
  return ofSite(kind, amongIds(ids));
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
