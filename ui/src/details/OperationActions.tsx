// What may be asked of an operation on its page: taking it back while it goes on, and trying again what it gave up. What the
// server refuses all the same is told in its words.

import { useEffect, useState } from "react";
import { Link } from "wouter";

import { entityPath } from "../dashboard/routes";
import { at, isRow, type Row } from "../lists/values";
import { t } from "../messages";
import { Confirm } from "../parts/Confirm";
import { NotDone } from "./NotDone";
import { useAsked } from "./useAsked";
import { randomKey, useSent } from "./useSent";

export const OPERATION = `query Operation($id: ID!) {
  entity(id: $id) {
    ... on Operation {
      status kind
      subject { ... on Deployment { possibleVerbs } }
      left: releases(first: 1, filter: { phase: { in: [QUARANTINED, DRIFTED, WAITING_SITE] } }) { totalCount }
    }
  }
}`;

export const CANCEL = `mutation Cancel($id: ID!, $key: String!) {
  cancelOperation(input: { id: $id, idempotencyKey: $key }) { __typename ... on CancelOperationPayload { operation { id } } ... on Error { message remedy } }
}`;

export const RETRY = `mutation Retry($id: ID!, $key: String!) {
  retryOperation(input: { id: $id, idempotencyKey: $key }) { __typename ... on RetryOperationPayload { operation { id } } ... on Error { message remedy } }
}`;

/** Kinds that are not taken back: another verb undoes them, or nothing does. */
const NOT_CANCELLED: readonly string[] = ["STOP", "RESUME", "AUTOSCALE", "APPLY_DOCUMENTS"];

/** What may be asked of an operation: one that works on no deployment, a drain, is cancelled by itself. */
export function operationVerbs(operation: Row): readonly ("CANCEL" | "RETRY")[] {
  const possible = at(operation, "subject", "possibleVerbs");
  const granted = (verb: string) => Array.isArray(possible) && possible.includes(verb);
  const kind = String(operation.kind);
  const cancellable = kind === "DRAIN" || (granted("CANCEL") && !NOT_CANCELLED.includes(kind));
  return [
    ...(operation.status === "RUNNING" && cancellable ? (["CANCEL"] as const) : []),
    ...(granted("RETRY") && Number(at(operation, "left", "totalCount") ?? 0) > 0 ? (["RETRY"] as const) : []),
  ];
}

interface ActionsProps {
  readonly id: string;
  readonly name: string;
  readonly generation: number;
}

export function OperationActions({ id, name, generation }: ActionsProps) {
  const o = t.details.operation;
  const asked = useAsked(OPERATION, { id }, generation);
  const { busy, told, send } = useSent();
  const [begun, setBegun] = useState<string | null>(null);
  useEffect(() => setBegun(null), [id]);
  const operation = at(asked.data, "entity");
  if (!isRow(operation)) return null;
  const verbs = operationVerbs(operation);
  if (verbs.length === 0 && told === null && begun === null) return null;
  const ask = (verb: "CANCEL" | "RETRY") =>
    void send(verb === "CANCEL" ? CANCEL : RETRY, verb === "CANCEL" ? "cancelOperation" : "retryOperation", { id, key: `page-${randomKey()}` }, (result) => {
      // What has ended stays as it ended: trying again is an operation of its own then.
      const other = at(result, "operation", "id");
      setBegun(typeof other === "string" && other !== id ? other : null);
      asked.again();
    });
  return (
    <section className="plan-actions" aria-label={o.asked}>
      {verbs.length > 0 && (
        <p className="plan-buttons">
          {verbs.map((verb) => (
            <Confirm
              key={verb}
              label={o.verbs[verb].label}
              question={o.verbs[verb].question(name)}
              confirm={o.verbs[verb].yes}
              disabled={busy}
              onConfirm={() => ask(verb)}
            >
              <p>{o.verbs[verb].means}</p>
            </Confirm>
          ))}
        </p>
      )}
      <NotDone told={told} />
      {begun !== null && (
        <p>
          <Link href={entityPath(begun)}>{t.details.status.follow}</Link>
        </p>
      )}
    </section>
  );
}
