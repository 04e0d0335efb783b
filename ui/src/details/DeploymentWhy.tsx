// Why a deployment runs where it does: the decision as it was made, not worked out again. Each chosen site with the terms of
// its score; each refused one with the rules that refused it, what was needed and what there was.

import { useState } from "react";
import { Button } from "react-aria-components";
import { Link } from "wouter";

import { entityPath } from "../dashboard/routes";
import { at, isRow, numeric, type Row } from "../lists/values";
import { count, t } from "../messages";
import { latency, limit } from "../topology/canvas/links";
import { useAsked } from "./useAsked";

const PAGE = 50;

export const WHY = `query Why($id: ID!) {
  entity(id: $id) {
    ... on Deployment {
      decision {
        revision feasible lookedAt passed transitSites status irreducible proven gap boundKind
        objective { sites score pricePerHour meanLatencyMs worstLatencyMs moves tiers { terms cost bound } }
        unmet { place message }
        conflicts { rule message }
        placements {
          score
          site { id name displayName }
          components { replicas component { id name } }
          serves { place latencyMs withinMs withinKm }
          terms { name value unit scaled weight weighted explanation }
        }
        refusalsByRule { rule sites }
      }
    }
  }
}`;

export const REFUSALS = `query Refusals($id: ID!, $first: Int!, $filter: RefusalFilter) {
  entity(id: $id) {
    ... on Deployment {
      decision {
        refusals(first: $first, filter: $filter) {
          totalCount
          pageInfo { hasNextPage }
          nodes { site { id name displayName } reasons { rule need have unit message } }
        }
      }
    }
  }
}`;

export function DeploymentWhy({ id, generation }: { readonly id: string; readonly generation: number }) {
  const w = t.details.why;
  const asked = useAsked(WHY, { id }, generation);
  const decision = at(asked.data, "entity", "decision");
  if (asked.data === null) return <p>{asked.problem ?? t.details.loading}</p>;
  if (!isRow(decision)) return <p>{w.none}</p>;
  const placements = rowsOf(decision.placements);
  const worst = at(decision, "objective", "worstLatencyMs");
  const longest = Math.max(0.001, ...placements.flatMap((one) => rowsOf(one.terms).map((term) => Number(term.weighted))));
  return (
    <>
      <p>
        {w.objective(placements.length, typeof worst === "number" ? w.worst(latency(worst)) : "")}{" "}
        {w.looked(count(Number(decision.lookedAt)), count(Number(decision.passed)), count(Number(decision.transitSites)))}{" "}
        {quality(decision)} {w.decidedAt(Number(decision.revision))}
      </p>
      <Tiers tiers={rowsOf(at(decision, "objective", "tiers"))} />
      <Messages title={w.unmet} rows={rowsOf(decision.unmet)} />
      <Messages title={w.conflicts} rows={rowsOf(decision.conflicts)} />
      <h2>{w.chosen}</h2>
      <table className="why-table">
        <thead>
          <tr>
            <th scope="col">{w.site}</th>
            <th scope="col">{w.replicas}</th>
            <th scope="col">{w.score}</th>
            <th scope="col">{w.terms}</th>
            <th scope="col">{w.serves}</th>
          </tr>
        </thead>
        <tbody>
          {placements.map((placement, index) => (
            <tr key={String(at(placement, "site", "id") ?? index)}>
              <th scope="row">
                <Site value={placement.site} />
              </th>
              <td>
                {rowsOf(placement.components)
                  .map((each) => `${String(at(each, "component", "name") ?? "?")} × ${Number(each.replicas)}`)
                  .join(", ")}
              </td>
              <td>{numeric(placement.score).text}</td>
              <td>
                <Terms terms={rowsOf(placement.terms)} longest={longest} />
              </td>
              <td>
                {rowsOf(placement.serves)
                  .map((each) =>
                    w.served(String(each.place), latency(Number(each.latencyMs)), limit(finite(each.withinMs), finite(each.withinKm))),
                  )
                  .join(", ")}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <h2>{w.refused}</h2>
      <Refused id={id} generation={generation} byRule={rowsOf(decision.refusalsByRule)} sites={Number(decision.lookedAt) - placements.length} />
    </>
  );
}

/** How far from the best possible, in words. */
function quality(decision: Row): string {
  const w = t.details.why;
  const irreducible = Array.isArray(decision.irreducible) ? decision.irreducible.map(String) : [];
  if (irreducible.length > 0) return w.irreducible(irreducible.join(", "));
  if (decision.status === "NOT_FOUND_WITHIN_LIMITS") return w.notFound;
  if (decision.proven === true) return w.proven;
  return typeof decision.gap === "number" ? w.gap((100 * decision.gap).toFixed(2), String(decision.boundKind)) : w.unproven;
}

/** What the choice costs, the most important first. */
function Tiers({ tiers }: { readonly tiers: readonly Row[] }) {
  if (tiers.length === 0) return null;
  const told = tiers.map((one) => {
    const terms = Array.isArray(one.terms) ? one.terms.map(String).join(" + ") : "";
    return t.details.why.tier(terms, numeric(one.cost).text);
  });
  return <p>{t.details.why.costs(told.join(t.details.why.then))}</p>;
}

/** The terms as bars: as long as each costs, beside the greatest of all sites. */
function Terms({ terms, longest }: { readonly terms: readonly Row[]; readonly longest: number }) {
  return (
    <ul className="why-terms">
      {terms.map((term) => {
        const weighted = Number(term.weighted);
        const value = `${numeric(term.value).text} ${String(term.unit)}`.trim();
        return (
          <li key={String(term.name)} title={String(term.explanation)}>
            <span className="why-term-name">{String(term.name)}</span>
            <meter min={0} max={longest} value={Math.max(0, weighted)} aria-label={t.details.why.term(String(term.name), value, weighted.toFixed(3))} />
            <span className="why-term-value">
              {weighted.toFixed(3)} <small>({value})</small>
            </span>
          </li>
        );
      })}
    </ul>
  );
}

interface RefusedProps {
  readonly id: string;
  readonly generation: number;
  readonly byRule: readonly Row[];
  /** How many were refused; fewer than the rules' sum, for several rules may refuse one. */
  readonly sites: number;
}

function Refused({ id, generation, byRule, sites }: RefusedProps) {
  const w = t.details.why;
  const [rule, setRule] = useState("");
  const [first, setFirst] = useState(PAGE);
  const filter = rule === "" ? null : { rule };
  const asked = useAsked(REFUSALS, filter === null ? { id, first } : { id, first, filter }, generation);
  const refusals = at(asked.data, "entity", "decision", "refusals");
  return (
    <>
      <label className="why-rule">
        {w.byRule}{" "}
        <select
          value={rule}
          onChange={(event) => {
            setRule(event.target.value);
            setFirst(PAGE);
          }}
        >
          <option value="">{w.all(count(sites))}</option>
          {byRule.map((each) => (
            <option key={String(each.rule)} value={String(each.rule)}>
              {w.rule(String(each.rule).replaceAll("_", " "), count(Number(each.sites)))}
            </option>
          ))}
        </select>
      </label>
      {asked.problem !== null && <p role="alert">{asked.problem}</p>}
      <table className="why-table">
        <thead>
          <tr>
            <th scope="col">{w.site}</th>
            <th scope="col">{w.reasons}</th>
            <th scope="col">{w.need}</th>
            <th scope="col">{w.have}</th>
            <th scope="col">{w.reason}</th>
          </tr>
        </thead>
        <tbody>
          {rowsOf(at(refusals, "nodes")).flatMap((refusal, index) =>
            rowsOf(refusal.reasons).map((reason, number, reasons) => (
              <tr key={`${String(at(refusal, "site", "id") ?? index)} ${number}`}>
                {number === 0 && (
                  <th scope="rowgroup" rowSpan={reasons.length}>
                    <Site value={refusal.site} />
                  </th>
                )}
                <td>{String(reason.rule).replaceAll("_", " ")}</td>
                <td>{withUnit(reason.need, reason.unit)}</td>
                <td>{reason.have === null ? w.hidden : withUnit(reason.have, reason.unit)}</td>
                <td>{String(reason.message)}</td>
              </tr>
            )),
          )}
        </tbody>
      </table>
      {at(refusals, "pageInfo", "hasNextPage") === true && (
        <Button onPress={() => setFirst((before) => Math.min(before + PAGE * 2, 500))}>{w.more}</Button>
      )}
    </>
  );
}

function Site({ value }: { readonly value: unknown }) {
  if (!isRow(value) || typeof value.id !== "string") return <>{t.details.why.somewhere}</>;
  return <Link href={entityPath(value.id)}>{String(value.displayName ?? value.name ?? value.id)}</Link>;
}

function Messages({ title, rows }: { readonly title: string; readonly rows: readonly Row[] }) {
  if (rows.length === 0) return null;
  return (
    <>
      <h2>{title}</h2>
      <ul>
        {rows.map((row, index) => (
          <li key={index}>{String(row.message)}</li>
        ))}
      </ul>
    </>
  );
}

function withUnit(value: unknown, unit: unknown): string {
  return `${String(value)} ${String(unit ?? "")}`.trim();
}

function rowsOf(value: unknown): readonly Row[] {
  return Array.isArray(value) ? value.filter(isRow) : [];
}

function finite(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
