// How much of a deployment is as it should be, why the rest is not, and what may be asked of it now: the verbs that the
// server grants in its phase, each asked first. What it refuses all the same is told in its words.

import { useEffect, useState } from "react";
import { Link } from "wouter";

import { execute } from "../api/graphql";
import { SignedOut, signInUrl } from "../api/session";
import { entityPath } from "../dashboard/routes";
import { at, isRow, type Row } from "../lists/values";
import { t } from "../messages";
import { Confirm } from "../parts/Confirm";
import { rowsOf } from "./rows";
import { useAsked } from "./useAsked";

const COUNTED = "desired applied ready unknown";

export const STATUS = `query Status($id: ID!) {
  entity(id: $id) {
    ... on Deployment {
      phase revisionNumber possibleVerbs proposal { number }
      status {
        summary
        sites { ${COUNTED} } releases { ${COUNTED} } replicas { ${COUNTED} }
        reasons { code message releases }
      }
    }
  }
}`;

/** A verb of the deployment's page: the mutation, and what it takes beside the id. */
export interface Asked {
  readonly verb: string;
  readonly field: string;
  readonly given: Readonly<Record<string, number>>;
}

const PLAIN: readonly (readonly [verb: string, field: string])[] = [
  ["RESUME", "resumeDeployment"],
  ["PAUSE", "pauseDeployment"],
  ["STOP", "stopDeployment"],
];

/** What may be asked for by one press, in the order of the buttons. */
export function askable(deployment: Row): readonly Asked[] {
  const possible = new Set(Array.isArray(deployment.possibleVerbs) ? deployment.possibleVerbs.map(String) : []);
  const number = Number(deployment.revisionNumber ?? 0);
  const waits = Number(at(deployment, "proposal", "number") ?? 0);
  const found: Asked[] = [];
  if (possible.has("APPROVE") && waits > 0) found.push({ verb: "APPROVE", field: "approveDeployment", given: { revisionNumber: waits } });
  for (const [verb, field] of PLAIN) if (possible.has(verb)) found.push({ verb, field, given: {} });
  if (possible.has("ROLL_BACK") && number > 1) found.push({ verb: "ROLL_BACK", field: "rollbackDeployment", given: { revisionNumber: number - 1 } });
  if (possible.has("TERMINATE")) found.push({ verb: "TERMINATE", field: "terminateDeployment", given: {} });
  return found;
}

/** The mutation of a verb. */
export function verbDocument({ field, given }: Asked): string {
  const type = field.charAt(0).toUpperCase() + field.slice(1);
  // A pause begins nothing: there is no operation to follow.
  const begun = field === "pauseDeployment" ? "" : `... on ${type}Payload { operation { id } }`;
  const more = Object.keys(given).map((name) => `, $${name}: Int!`);
  const input = ["id: $id", "idempotencyKey: $key", ...Object.keys(given).map((name) => `${name}: $${name}`)].join(", ");
  return `mutation Ask($id: ID!, $key: String!${more.join("")}) {
  ${field}(input: { ${input} }) { __typename ${begun} ... on Error { message remedy } }
}`;
}

/** The counts of a status, a row each: what is counted, and its four numbers. */
export function countsOf(status: unknown): readonly (readonly [of: string, counts: readonly number[]])[] {
  return (["sites", "releases", "replicas"] as const).map((of) => [
    t.details.status.of[of],
    COUNTED.split(" ").map((name) => Number(at(status, of, name) ?? 0)),
  ]);
}

interface ActionsProps {
  readonly id: string;
  readonly name: string;
  readonly generation: number;
}

export function DeploymentActions({ id, name, generation }: ActionsProps) {
  const s = t.details.status;
  const asked = useAsked(STATUS, { id }, generation);
  const deployment = at(asked.data, "entity");
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<string | null>(null);
  const [begun, setBegun] = useState<string | null>(null);
  useEffect(() => setBegun(null), [id]);
  if (!isRow(deployment)) return null;
  const send = async (one: Asked) => {
    setBusy(true);
    setTold(null);
    try {
      const answer = await execute({ query: verbDocument(one), variables: { id, key: `page-${randomKey()}`, ...one.given } });
      const [error] = answer.errors ?? [];
      const result = at(answer.data, one.field);
      if (error) setTold(error.message);
      else if (isRow(result) && typeof result.message === "string") setTold([result.message, result.remedy].filter(Boolean).join(": "));
      else {
        const operation = at(result, "operation", "id");
        setBegun(typeof operation === "string" ? operation : null);
        asked.again();
      }
    } catch (error) {
      if (error instanceof SignedOut) location.assign(signInUrl(location.pathname + location.search));
      else setTold(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };
  const reasons = rowsOf(at(deployment, "status", "reasons"));
  return (
    <section className="deployment-status" aria-label={s.title}>
      <p role="status">{String(at(deployment, "status", "summary") ?? "")}</p>
      <table className="why-table">
        <thead>
          <tr>
            <td />
            {s.numbers.map((number) => (
              <th key={number} scope="col">
                {number}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {countsOf(deployment.status).map(([of, counts]) => (
            <tr key={of}>
              <th scope="row">{of}</th>
              {counts.map((count, index) => (
                <td key={index}>{count}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {reasons.length > 0 && (
        <ul aria-label={s.reasons}>
          {reasons.map((reason, index) => (
            <li key={index}>{s.reason(String(reason.message), Number(reason.releases ?? 0))}</li>
          ))}
        </ul>
      )}
      <p className="plan-buttons">
        {askable(deployment).map((one) => (
          <Confirm
            key={one.verb}
            label={s.verbs[one.verb]?.label(one.given.revisionNumber ?? 0) ?? one.verb}
            question={s.verbs[one.verb]?.question(name) ?? name}
            confirm={s.verbs[one.verb]?.yes ?? one.verb}
            disabled={busy}
            onConfirm={() => void send(one)}
          >
            <p>{s.verbs[one.verb]?.means ?? ""}</p>
          </Confirm>
        ))}
      </p>
      {told !== null && (
        <div role="alert" className="plan-told">
          <p>{told}</p>
        </div>
      )}
      {begun !== null && (
        <p>
          <Link href={entityPath(begun)}>{s.follow}</Link>
        </p>
      )}
    </section>
  );
}

/** Not `randomUUID`, which a page that came over plain HTTP has not. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
