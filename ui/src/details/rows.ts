// What the pages of decisions read out of answers.

import { at, isRow, type Row } from "../lists/values";
import { t } from "../messages";
import { latency, limit } from "../topology/canvas/links";

/** The rows of a list in an answer; none where there is no list. */
export function rowsOf(value: unknown): readonly Row[] {
  return Array.isArray(value) ? value.filter(isRow) : [];
}

/** A rule as people write it. */
export function ruleOf(rule: unknown): string {
  return String(rule).replaceAll("_", " ");
}

/** An amount with its unit; nothing where it is in words. */
export function withUnit(value: unknown, unit: unknown): string {
  return `${String(value)} ${String(unit ?? "")}`.trim();
}

/** `web × 2, db × 1`: what was chosen for a site. */
export function replicasOf(placement: unknown): string {
  return rowsOf(at(placement, "components"))
    .map((each) => `${String(at(each, "component", "name") ?? "?")} × ${Number(each.replicas)}`)
    .join(", ");
}

/** The places that a site is the nearest for, each with its latency and its limit. */
export function servedBy(placement: unknown): string {
  return rowsOf(at(placement, "serves"))
    .map((each) => t.details.why.served(String(each.place), latency(Number(each.latencyMs)), limit(finite(each.withinMs), finite(each.withinKm))))
    .join(", ");
}

function finite(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
