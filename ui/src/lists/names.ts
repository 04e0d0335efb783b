// Names in an expression as ids, from the live picture: the server filters by ids.

import type { Find } from "../find/useFind";
import { parseExpression } from "../find/expression";
import { match } from "../find/match";
import type { Topology } from "../live/topology";
import type { Names } from "./document";

/** More ids than these make a filter too large: the first by row are taken. */
const MOST = 200;

export function namesOf(topology: Topology, find: Find): Names {
  const holding = (names: readonly string[], titles: readonly string[], ids: readonly string[], part: string) =>
    ids
      .filter((id, row) => id !== "" && (names[row]?.toLowerCase().includes(part) || titles[row]?.toLowerCase().includes(part)))
      .slice(0, MOST);
  const { sites, regions } = topology;
  return {
    sites: (name) => holding(sites.names, sites.titles, sites.ids, name),
    regions: (name) => holding(regions.names, regions.titles, regions.ids, name),
    near: find.expression.within === null ? null : near(topology, find.text),
  };
}

function near(topology: Topology, text: string): readonly string[] {
  const found = match(parseExpression(text), topology);
  return found === null ? [] : topology.sites.ids.filter((id, row) => id !== "" && found.sites[row] === 1).slice(0, MOST);
}
