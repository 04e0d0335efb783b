// A decision as it was made, not worked out again. Each chosen site with the terms of its cost; each refused one with the
// rules that refused it, what was needed and what there was; and what could not be kept, where nothing was chosen.

import { at, numeric, type Row } from "../lists/values";
import { count, t } from "../messages";
import { latency } from "../topology/canvas/links";
import { Refused, ReasonCells, ReasonHeads, type Asking } from "./Refused";
import { replicasOf, rowsOf, ruleOf, servedBy } from "./rows";
import { Site, Sites } from "./Site";
import { longestOf, TERMS, Terms } from "./Terms";

/** What is asked of a decision, but for its refusals, which are many. */
export const DECISION = `revision feasible lookedAt passed transitSites status irreducible proven gap boundKind
        objective { sites score pricePerHour meanLatencyMs worstLatencyMs moves tiers { terms cost bound } }
        unmet { place message nearer { latencyMs rules site { id name displayName } } }
        conflicts { rule need have unit message }
        placements {
          score
          site { id name displayName }
          components { replicas component { id name } assignments { replicas node { id name } } }
          serves { place latencyMs withinMs withinKm }
          ${TERMS}
        }
        refusalsByRule { rule sites }`;

interface DecisionProps {
  readonly decision: Row;
  readonly asking: Asking;
  readonly generation: number;
  /** The level of its headings: those of a step are below the step's. */
  readonly level?: 2 | 3;
}

export function Decision({ decision, asking, generation, level = 2 }: DecisionProps) {
  const w = t.details.why;
  const Heading = level === 2 ? "h2" : "h3";
  const placements = rowsOf(decision.placements);
  const worst = at(decision, "objective", "worstLatencyMs");
  const conflicts = rowsOf(decision.conflicts);
  const unmet = rowsOf(decision.unmet);
  return (
    <>
      <p>
        {w.objective(placements.length, typeof worst === "number" ? w.worst(latency(worst)) : "")}{" "}
        {w.looked(count(Number(decision.lookedAt)), count(Number(decision.passed)), count(Number(decision.transitSites)))}{" "}
        {quality(decision)} {w.decidedAt(Number(decision.revision))}
      </p>
      <Tiers tiers={rowsOf(at(decision, "objective", "tiers"))} />
      {unmet.length > 0 && (
        <>
          <Heading>{w.unmet}</Heading>
          <ul className="why-unmet">
            {unmet.map((one, index) => (
              <li key={index}>
                {String(one.message)} <Nearer misses={rowsOf(one.nearer)} />
              </li>
            ))}
          </ul>
        </>
      )}
      {conflicts.length > 0 && (
        <>
          <Heading>{w.conflicts}</Heading>
          <table className="why-table why-conflicts">
            <thead>
              <tr>
                <ReasonHeads />
              </tr>
            </thead>
            <tbody>
              {conflicts.map((each, index) => (
                <tr key={index}>
                  <ReasonCells reason={each} />
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
      {placements.length > 0 && (
        <>
          <Heading>{w.chosen}</Heading>
          <Chosen placements={placements} />
        </>
      )}
      <Heading>{w.refused}</Heading>
      <Refused asking={asking} generation={generation} byRule={rowsOf(decision.refusalsByRule)} sites={Number(decision.lookedAt) - placements.length} />
    </>
  );
}

function Chosen({ placements }: { readonly placements: readonly Row[] }) {
  const w = t.details.why;
  const longest = longestOf(placements);
  return (
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
              {replicasOf(placement)}
              <Nodes placement={placement} />
            </td>
            <td>{numeric(placement.score).text}</td>
            <td>
              <Terms terms={rowsOf(placement.terms)} longest={longest} />
            </td>
            <td>{servedBy(placement)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** On which nodes the replicas are reserved, where nodes are observed. */
function Nodes({ placement }: { readonly placement: Row }) {
  const reserved = new Map<string, number>();
  for (const component of rowsOf(placement.components)) {
    for (const one of rowsOf(component.assignments)) {
      const name = String(at(one, "node", "name") ?? "?");
      reserved.set(name, (reserved.get(name) ?? 0) + Number(one.replicas));
    }
  }
  if (reserved.size === 0) return null;
  return <small className="why-for"> {t.details.why.onNodes([...reserved].map(([name, many]) => (many === 1 ? name : `${name} × ${many}`)).join(", "))}</small>;
}

/** Sites that are near enough to a place and that other rules refuse. */
function Nearer({ misses }: { readonly misses: readonly Row[] }) {
  if (misses.length === 0) return null;
  return (
    <ul>
      {misses.map((one, index) => (
        <li key={index}>
          <Sites values={[one.site]} none="" /> {t.details.why.nearer(latency(Number(one.latencyMs)), rulesOf(one.rules))}
        </li>
      ))}
    </ul>
  );
}

function rulesOf(rules: unknown): string {
  return Array.isArray(rules) ? rules.map(ruleOf).join(", ") : "";
}

/** How far from the best possible, in words. */
export function quality(decision: Row): string {
  const w = t.details.why;
  const irreducible = Array.isArray(decision.irreducible) ? decision.irreducible.map(String) : [];
  if (irreducible.length > 0) return w.irreducible(irreducible.join(", "));
  if (decision.status === "NOT_FOUND_WITHIN_LIMITS") return w.notFound;
  if (decision.feasible !== true) return decision.proven === true ? w.impossible : w.notFound;
  if (decision.proven === true) return w.proven;
  const kind = String(decision.boundKind);
  if (typeof decision.gap === "number") return w.gap((100 * decision.gap).toFixed(2), kind);
  const bounds = rowsOf(at(decision, "objective", "tiers")).map((one) => one.bound);
  // A share of a bound of 0 is no number.
  return bounds.length > 0 && bounds.every((one) => typeof one === "number")
    ? w.bound(bounds.map((one) => numeric(one).text).join(w.then), kind)
    : w.unproven;
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
