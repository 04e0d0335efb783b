// The sites that a decision refused: by which rules, what was needed and what there was, a page at a time.

import { useState } from "react";
import { Button } from "react-aria-components";

import { at, type Row } from "../lists/values";
import { count, t } from "../messages";
import { rowsOf, ruleOf, withUnit } from "./rows";
import { Site } from "./Site";
import { useAsked } from "./useAsked";

const PAGE = 50;
const MOST = 500;

/** Of a decision; `$first` and `$filter` are the document's. */
export const REFUSED = `refusals(first: $first, filter: $filter) {
  totalCount
  pageInfo { hasNextPage }
  nodes { components site { id name displayName } reasons { rule need have unit message } }
}`;

/** Where a decision's refusals are asked for. */
export interface Asking {
  /** Takes `$first` and `$filter` beside the `variables`. */
  readonly document: string;
  readonly variables: Readonly<Record<string, unknown>>;
  /** The decision within the answer. */
  readonly decision: (data: unknown) => unknown;
}

interface RefusedProps {
  readonly asking: Asking;
  readonly generation: number;
  readonly byRule: readonly Row[];
  /** How many were refused; fewer than the rules' sum, for several rules may refuse one. */
  readonly sites: number;
}

export function Refused({ asking, generation, byRule, sites }: RefusedProps) {
  const w = t.details.why;
  const [rule, setRule] = useState("");
  const [first, setFirst] = useState(PAGE);
  const variables = { ...asking.variables, first, ...(rule === "" ? {} : { filter: { rule } }) };
  const asked = useAsked(asking.document, variables, generation);
  const refusals = at(asking.decision(asked.data), "refusals");
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
              {w.rule(ruleOf(each.rule), count(Number(each.sites)))}
            </option>
          ))}
        </select>
      </label>
      {asked.problem !== null && <p role="alert">{asked.problem}</p>}
      <table className="why-table">
        <thead>
          <tr>
            <th scope="col">{w.site}</th>
            <ReasonHeads />
          </tr>
        </thead>
        <tbody>
          {rowsOf(at(refusals, "nodes")).flatMap((refusal, index) =>
            rowsOf(refusal.reasons).map((reason, number, reasons) => (
              <tr key={`${index} ${number}`}>
                {number === 0 && (
                  <th scope="rowgroup" rowSpan={reasons.length}>
                    <Site value={refusal.site} />
                    <Components names={refusal.components} />
                  </th>
                )}
                <ReasonCells reason={reason} />
              </tr>
            )),
          )}
        </tbody>
      </table>
      {at(refusals, "pageInfo", "hasNextPage") === true && first < MOST && (
        <Button onPress={() => setFirst((before) => Math.min(before + PAGE * 2, MOST))}>{w.more}</Button>
      )}
    </>
  );
}

/** What heads the cells of reasons. */
export function ReasonHeads() {
  const w = t.details.why;
  return (
    <>
      <th scope="col">{w.reasons}</th>
      <th scope="col">{w.need}</th>
      <th scope="col">{w.have}</th>
      <th scope="col">{w.reason}</th>
    </>
  );
}

/** A reason in four cells: the rule, what was needed, what there was, and both in words. */
export function ReasonCells({ reason }: { readonly reason: Row }) {
  return (
    <>
      <td>{ruleOf(reason.rule)}</td>
      <td>{withUnit(reason.need, reason.unit)}</td>
      <td>{reason.have === null ? t.details.why.hidden : withUnit(reason.have, reason.unit)}</td>
      <td>{String(reason.message)}</td>
    </>
  );
}

/** For which components a site was refused, where some have sites of their own. */
export function Components({ names }: { readonly names: unknown }) {
  if (!Array.isArray(names) || names.length === 0) return null;
  return <small className="why-for"> {t.details.why.forComponents(names.map(String).join(", "))}</small>;
}
