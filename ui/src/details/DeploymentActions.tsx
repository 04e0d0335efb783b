// How much of a deployment is as it should be, why the rest is not, and what may be asked of it now: the verbs that the
// server grants in its phase, each asked first. What it refuses all the same is told in its words.

import { useEffect, useState } from "react";
import { Link } from "wouter";

import { entityPath } from "../dashboard/routes";
import { at, isRow } from "../lists/values";
import { t } from "../messages";
import { Confirm } from "../parts/Confirm";
import { NotDone } from "./NotDone";
import { rowsOf } from "./rows";
import { useAsked } from "./useAsked";
import { randomKey, useSent } from "./useSent";
import { VerbForm } from "./VerbForm";
import { askable, fieldOf, formDocument, formsOf, verbDocument } from "./verbs";

const COUNTED = "desired applied ready unknown";
const OVERRIDE = "component path value document siteIds siteSelector";

export const STATUS = `query Status($id: ID!) {
  entity(id: $id) {
    ... on Deployment {
      phase revision revisionNumber possibleVerbs proposal { number authors { name } overrides { ${OVERRIDE} } }
      overrides { ${OVERRIDE} }
      revisions(first: 50) { totalCount nodes { number outcome createdAt appVersion { name } } }
      appVersion { id app { versions: appVersions(first: 100, orderBy: [{ field: CREATED_AT, direction: DESC }]) { nodes { id name } } } }
      siteStatuses(first: 100) { totalCount nodes { site { id name displayName } } }
      status {
        summary
        components { component }
        sites { ${COUNTED} } releases { ${COUNTED} } replicas { ${COUNTED} }
        reasons { code message releases }
      }
    }
  }
}`;

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
  const { busy, told, send } = useSent();
  const [begun, setBegun] = useState<string | null>(null);
  useEffect(() => setBegun(null), [id]);
  if (!isRow(deployment)) return null;
  const ask = (query: string, field: string, variables: Readonly<Record<string, unknown>>) =>
    void send(query, field, variables, (result) => {
      const operation = at(result, "operation", "id");
      setBegun(typeof operation === "string" ? operation : null);
      asked.again();
    });
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
            onConfirm={() => ask(verbDocument(one), one.field, { id, key: `page-${randomKey()}`, ...one.given })}
          >
            <p>{s.verbs[one.verb]?.means ?? ""}</p>
          </Confirm>
        ))}
        {formsOf(deployment).map((verb) => (
          <VerbForm
            key={verb}
            verb={verb}
            name={name}
            deployment={deployment}
            disabled={busy}
            onSaid={(input) => ask(formDocument(verb), fieldOf(verb), { input: { id, idempotencyKey: `page-${randomKey()}`, ...input } })}
          />
        ))}
      </p>
      <NotDone told={told} />
      {begun !== null && (
        <p>
          <Link href={entityPath(begun)}>{s.follow}</Link>
        </p>
      )}
    </section>
  );
}
