// What the live picture knows and the server does not: which sites are so near to what is looked for. The server filters by
// their ids, which have to fit into a request, so very many are cut, and the page says so.

import type { Expression } from "../find/expression";
import { sitesNear } from "../find/match";
import type { Topology } from "../live/topology";
import type { Near } from "./document";

/** More ids than these are more than the server takes of a viewer: 35 bytes each, of 256 KiB. */
export const MOST_NEAR = 5_000;

/** The sites within the expression's distance of what it finds; null where it gives none. */
export function nearOf(topology: Topology, find: { readonly expression: Expression }): Near | null {
  if (find.expression.within === null) return null;
  const near = sitesNear(topology, find.expression);
  const ids = topology.sites.ids.filter((id, row) => id !== "" && near[row] === 1);
  return { ids: ids.slice(0, MOST_NEAR), all: ids.length };
}
