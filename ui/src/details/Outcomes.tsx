// What became of each release in an operation that has ended. A release itself tells what it is worked on for now, which is a
// later operation before long: what this one did is kept with it.

import { Link } from "wouter";

import { entityPath } from "../dashboard/routes";
import { at, isRow, type Row } from "../lists/values";
import { State, type StateCode } from "../live/states";
import { t } from "../messages";
import { StateMark } from "../parts/StateMark";
import { nameOf } from "./naming";
import { RelatedList } from "./RelatedList";
import { useAsked } from "./useAsked";

export const OUTCOMES = `query Outcomes($id: ID!) {
  entity(id: $id) {
    ... on Operation {
      kind progress { total }
      outcomes { releaseId backendName componentName siteId siteName standing error }
      subject { ... on Deployment { operations(first: 1) { nodes { __typename id kind createdAt subject { ... on Named { name } } } } } }
    }
  }
}`;

const STATES: Readonly<Record<string, StateCode>> = { DONE: State.READY, REMOVED: State.CORDONED, FAILED: State.DOWN };

export function Outcomes({ id, generation }: { readonly id: string; readonly generation: number }) {
  const o = t.details.operation;
  const asked = useAsked(OUTCOMES, { id }, generation);
  const operation = at(asked.data, "entity");
  if (!isRow(operation)) return <p>{asked.problem ?? t.details.loading}</p>;
  // A drain's releases are of many tenants, and are not kept with it: those that are there are asked for, as their viewer.
  if (operation.kind === "DRAIN") {
    return <RelatedList kind="releases" filter={{ operationId: { eq: id } }} without={[]} empty={o.drained} />;
  }
  const outcomes = Array.isArray(operation.outcomes) ? operation.outcomes.filter(isRow) : [];
  const total = Number(at(operation, "progress", "total") ?? 0);
  const [newest] = asList(at(operation, "subject", "operations", "nodes"));
  return (
    <>
      {newest !== undefined && newest.id !== id && (
        <p>
          {o.later} <Link href={entityPath(String(newest.id))}>{nameOf(newest)}</Link>
        </p>
      )}
      {outcomes.length === 0 && <p>{o.unkept}</p>}
      {outcomes.length > 0 && outcomes.length < total && <p>{o.some(outcomes.length, total)}</p>}
      {outcomes.length > 0 && <OutcomeTable outcomes={outcomes} />}
    </>
  );
}

function OutcomeTable({ outcomes }: { readonly outcomes: readonly Row[] }) {
  const o = t.details.operation;
  const failed = outcomes.some((each) => typeof each.error === "string");
  return (
    <table className="why-table outcomes">
      <thead>
        <tr>
          <th scope="col">{o.release}</th>
          <th scope="col">{o.component}</th>
          <th scope="col">{o.site}</th>
          <th scope="col">{o.standing}</th>
          {failed && <th scope="col">{o.error}</th>}
        </tr>
      </thead>
      <tbody>
        {outcomes.map((each) => {
          const standing = String(each.standing);
          const name = String(each.backendName);
          return (
            <tr key={String(each.releaseId)}>
              <th scope="row">{standing === "REMOVED" ? name : <Link href={entityPath(String(each.releaseId))}>{name}</Link>}</th>
              <td>{String(each.componentName)}</td>
              <td>
                <Link href={entityPath(String(each.siteId))}>{String(each.siteName || each.siteId)}</Link>
              </td>
              <td>
                <span className="state-badge">
                  <StateMark state={STATES[standing] ?? State.DEGRADED} /> {o.standings[standing] ?? standing.toLowerCase()}
                </span>
              </td>
              {failed && <td>{typeof each.error === "string" ? each.error : ""}</td>}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function asList(value: unknown): readonly Row[] {
  return Array.isArray(value) ? value.filter(isRow) : [];
}
