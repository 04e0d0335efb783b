// The terms of a site's cost as bars: as long as each costs, beside the greatest of all that are looked at together.

import { numeric, type Row } from "../lists/values";
import { t } from "../messages";
import { rowsOf } from "./rows";

export const TERMS = "terms { name value unit scaled weight weighted explanation tier }";

export function Terms({ terms, longest }: { readonly terms: readonly Row[]; readonly longest: number }) {
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
              {weighted.toFixed(3)} <small>({t.details.why.weighed(value, numeric(term.scaled).text, numeric(term.weight).text)})</small>
            </span>
          </li>
        );
      })}
    </ul>
  );
}

/** The greatest cost of a term over some placements, for their bars. */
export function longestOf(placements: readonly Row[]): number {
  return Math.max(0.001, ...placements.flatMap((one) => rowsOf(one.terms).map((term) => Number(term.weighted))));
}
