// The addresses of the dashboard. Every view is an address: it can be sent to somebody, bookmarked, and gone back to. The
// server answers exactly these (and nothing under /assets) with the page.

/** Kinds that have a list, by the word in the address. */
export const LIST_KINDS = [
  "regions",
  "sites",
  "nodes",
  "links",
  "clusters",
  "apps",
  "app-versions",
  "components",
  "services",
  "packages",
  "profiles",
  "deployments",
  "releases",
  "instances",
  "scaling-policies",
  "site-scalings",
  "plans",
  "failover-holds",
  "operations",
  "events",
  "tenants",
  "users",
  "service-accounts",
  "api-tokens",
  "role-bindings",
  "secrets",
  "audit-log",
] as const;

export type ListKind = (typeof LIST_KINDS)[number];

export const TOPOLOGY_PATH = "/topology";
export const MAP_PATH = "/map";
export const PLAYGROUND_PATH = "/playground";

export function listPath(kind: ListKind): string {
  return `/list/${kind}`;
}

export function isListKind(word: string): word is ListKind {
  return (LIST_KINDS as readonly string[]).includes(word);
}

/** The page of one entity of any kind. */
export function entityPath(id: string): string {
  return `/entity/${encodeURIComponent(id)}`;
}

/** The query of the address: the find expression, and what is selected (an id). */
export const FIND = "find";
export const SELECT = "select";

/** An address with a changed query; an empty value leaves the name out. */
export function withQuery(path: string, search: string, changes: Readonly<Record<string, string | null>>): string {
  const query = new URLSearchParams(search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}
