// What a plan supposes of the graph, in words.

import { at, isRow, numeric, type Row } from "../lists/values";
import { t } from "../messages";
import { rowsOf } from "./rows";

export const SUPPOSED = `whatIf {
        siteLost { siteId withLinks } link { linkId state latencyMs } price { siteId pricePerCoreHour } demand { factor regionIds }
        capacity { factor siteIds nodeIds } nodesAdded { siteId count } cordon { entityId schedulable }
      }`;

/** Each change in words; `name` gives what an id is called. */
export function supposed(changes: unknown, name: (id: string) => string): readonly string[] {
  const s = t.details.plan.supposed;
  const one = (change: Row): string => {
    const { siteLost, link, price, demand, capacity, nodesAdded, cordon } = change;
    if (isRow(siteLost)) return s.siteLost(name(String(siteLost.siteId)), siteLost.withLinks === true);
    if (isRow(link)) {
      const latency = typeof link.latencyMs === "number" ? s.latency(numeric(link.latencyMs).text) : "";
      const state = typeof link.state === "string" ? s.linkState(link.state === "UP") : "";
      return s.link(name(String(link.linkId)), [state, latency].filter(Boolean).join(", "));
    }
    if (isRow(price)) return s.price(name(String(price.siteId)), numeric(price.pricePerCoreHour).text);
    if (isRow(demand)) return s.demand(named(demand.regionIds), numeric(demand.factor).text);
    if (isRow(capacity)) return s.capacity([named(capacity.siteIds), named(capacity.nodeIds)].filter(Boolean).join(", "), numeric(capacity.factor).text);
    if (isRow(nodesAdded)) return s.nodes(name(String(nodesAdded.siteId)), Number(nodesAdded.count));
    if (isRow(cordon)) return s.cordon(name(String(cordon.entityId)), cordon.schedulable === true);
    return "";
  };
  const named = (ids: unknown) => (Array.isArray(ids) ? ids.map((id) => name(String(id))).join(", ") : "");
  return rowsOf(changes).map(one).filter(Boolean);
}

/** Whether a plan that is open can still be applied at a time, as far as its expiry says. */
export function isExpired(plan: unknown, now: number): boolean {
  const expires = at(plan, "expiresAt");
  return typeof expires === "string" && Date.parse(expires) <= now;
}
