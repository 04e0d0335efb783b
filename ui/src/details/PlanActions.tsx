// Applying a plan, or deleting it: asked first, then told what it began or all that stands against it.

import { useEffect, useState } from "react";
import { Link, useLocation } from "wouter";

import { entityPath, listPath } from "../dashboard/routes";
import { at, instant, isRow } from "../lists/values";
import { t } from "../messages";
import { Confirm } from "../parts/Confirm";
import { NotDone } from "./NotDone";
import { nameOf } from "./naming";
import { rowsOf } from "./rows";
import { isExpired } from "./supposed";
import { useAsked } from "./useAsked";
import { randomKey, useSent } from "./useSent";

const BEGUN = "id kind status subject { displayName ... on Named { name } }";

export const STANDING = `query Standing($id: ID!) {
  entity(id: $id) {
    ... on Plan { status expiresAt appliedAt feasible moves stuck stepCount operations { __typename ${BEGUN} } }
  }
}`;

export const APPLY = `mutation Apply($id: ID!, $key: String!) {
  applyPlan(input: { id: $id, idempotencyKey: $key }) {
    __typename
    ... on PlanOutdated { reasons { code message deployment { id name displayName } } }
    ... on Error { message remedy }
  }
}`;

export const DELETE = `mutation Delete($id: ID!, $key: String!) {
  deletePlan(input: { id: $id, idempotencyKey: $key }) {
    __typename
    ... on Error { message remedy }
  }
}`;

interface ActionsProps {
  readonly id: string;
  readonly name: string;
  readonly generation: number;
}

export function PlanActions({ id, name, generation }: ActionsProps) {
  const p = t.details.plan;
  const [, navigate] = useLocation();
  const asked = useAsked(STANDING, { id }, generation);
  const plan = at(asked.data, "entity");
  const now = useNow(at(plan, "expiresAt"));
  // One key a plan and page: an answer that was lost is asked for again, and nothing is done twice.
  const [key] = useState(randomKey);
  const { busy, told, send } = useSent();
  if (!isRow(plan)) return null;
  const open = plan.status === "OPEN";
  const expired = open && isExpired(plan, now);
  const ask = (query: string, field: string, done: () => void) => void send(query, field, { id, key: `${field}-${key}` }, done);
  const [steps, moves, stuck] = [plan.stepCount, plan.moves, plan.stuck].map(Number) as [number, number, number];
  const operations = rowsOf(plan.operations);
  return (
    <section className="plan-actions" aria-label={p.standing}>
      <p role="status">
        {open ? (expired ? p.expired(instant(plan.expiresAt).text) : p.open(instant(plan.expiresAt).text)) : p.applied(instant(plan.appliedAt).text)}
        {stuck > 0 && ` ${p.stuck(stuck)}`}
      </p>
      <p className="plan-buttons">
        {open && (
          <Confirm label={p.apply} question={p.applyQuestion(name)} confirm={p.applyYes} disabled={busy || expired} onConfirm={() => ask(APPLY, "applyPlan", asked.again)}>
            <p>{p.applyMeans(steps, moves)}</p>
            {stuck > 0 && <p>{p.stuck(stuck)}</p>}
          </Confirm>
        )}
        <Confirm
          label={p.remove}
          question={p.removeQuestion(name)}
          confirm={p.removeYes}
          disabled={busy}
          onConfirm={() => ask(DELETE, "deletePlan", () => navigate(listPath("plans")))}
        >
          <p>{open ? p.removeOpen : p.removeApplied}</p>
        </Confirm>
      </p>
      <NotDone told={told}>
        {told !== null && told.reasons.length > 0 && (
          <ul>
            {told.reasons.map((reason, index) => (
              <li key={index}>
                {String(reason.message)}
                {isRow(reason.deployment) && (
                  <>
                    {" "}
                    <Link href={entityPath(String(reason.deployment.id))}>{String(reason.deployment.displayName ?? reason.deployment.name)}</Link>
                  </>
                )}
              </li>
            ))}
          </ul>
        )}
      </NotDone>
      {operations.length > 0 && (
        <>
          <h2>{p.begun}</h2>
          <ul className="plan-operations">
            {operations.map((each) => (
              <li key={String(each.id)}>
                <Link href={entityPath(String(each.id))}>{nameOf(each)}</Link>: {String(each.status).toLowerCase()}
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

/** The time, read again when `until` has passed; null: it does not matter. */
function useNow(until: unknown): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (typeof until !== "string") return;
    const left = Date.parse(until) - Date.now();
    // Later than a timer can be set for, the page will have been read again before.
    if (!(left > 0 && left < 2 ** 31)) return;
    const timer = setTimeout(() => setNow(Date.now()), left + 50);
    return () => clearTimeout(timer);
  }, [until]);
  return now;
}
