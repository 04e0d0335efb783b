// Which apps run at a site and why, and why the others do not: what each one's decision says of this site.

import { useState } from "react";
import { Button } from "react-aria-components";
import { Link } from "wouter";

import { entityPath } from "../dashboard/routes";
import { at, isRow, numeric, type Row } from "../lists/values";
import { useTopology } from "../live/useTopology";
import { count, t } from "../messages";
import { Components, ReasonCells } from "./Refused";
import { replicasOf, rowsOf, servedBy } from "./rows";
import { longestOf, TERMS, Terms } from "./Terms";
import { useAsked } from "./useAsked";

const PAGE = 10;
const MOST = 50;
/** Components with sites of their own, for each of which a site may be refused; as many as a request of MOST may cost. */
const UNITS = 16;

export const HERE = `query Here($site: ID!, $first: Int!, $filter: DeploymentFilter) {
  deployments(first: $first, filter: $filter, orderBy: [{ field: NAME }]) {
    totalCount
    pageInfo { hasNextPage }
    nodes {
      id name displayName
      decision {
        revision
        placement(site: $site) {
          score
          components { replicas component { id name } }
          serves { place latencyMs withinMs withinKm }
          ${TERMS}
        }
        refusals(first: ${UNITS}, filter: { site: $site }) { nodes { components reasons { rule need have unit message } } }
      }
    }
  }
}`;

export function SiteWhy({ id }: { readonly id: string }) {
  const w = t.details.here;
  const { topology } = useTopology();
  const [part, setPart] = useState("");
  const [first, setFirst] = useState(PAGE);
  const variables = { site: id, first, ...(part === "" ? {} : { filter: { name: { contains: part } } }) };
  const asked = useAsked(HERE, variables, topology.revision);
  const found = at(asked.data, "deployments");
  const deployments = rowsOf(at(found, "nodes"));
  const longest = longestOf(deployments.flatMap((one) => rowsOf([at(one, "decision", "placement")])));
  return (
    <>
      <label className="why-rule">
        {w.find}{" "}
        <input
          type="search"
          value={part}
          onChange={(event) => {
            setPart(event.target.value);
            setFirst(PAGE);
          }}
        />
      </label>
      {asked.problem !== null && <p role="alert">{asked.problem}</p>}
      {asked.data === null && asked.problem === null && <p>{t.details.loading}</p>}
      {asked.data !== null && deployments.length === 0 && <p>{w.none}</p>}
      {deployments.length > 0 && (
        <>
          <p className="list-said">{t.lists.count(count(deployments.length), count(Number(at(found, "totalCount") ?? 0)))}</p>
          <table className="why-table why-here">
            <thead>
              <tr>
                <th scope="col">{w.deployment}</th>
                <th scope="col">{w.verdict}</th>
                <th scope="col">{t.details.why.reasons}</th>
                <th scope="col">{t.details.why.need}</th>
                <th scope="col">{t.details.why.have}</th>
                <th scope="col">{t.details.why.reason}</th>
              </tr>
            </thead>
            <tbody>
              {deployments.map((one) => (
                <Verdict key={String(one.id)} deployment={one} longest={longest} />
              ))}
            </tbody>
          </table>
        </>
      )}
      {at(found, "pageInfo", "hasNextPage") === true && first < MOST && (
        <Button onPress={() => setFirst((before) => Math.min(before + PAGE * 2, MOST))}>{t.details.why.more}</Button>
      )}
    </>
  );
}

/** The rows of one deployment: one where it was chosen or never looked at, else one for each reason. */
function Verdict({ deployment, longest }: { readonly deployment: Row; readonly longest: number }) {
  const w = t.details.here;
  const decision = at(deployment, "decision");
  const placement = at(decision, "placement");
  const refusals = rowsOf(at(decision, "refusals", "nodes"));
  const reasons = refusals.flatMap((refusal) => rowsOf(refusal.reasons).map((reason) => ({ reason, components: refusal.components })));
  const chosen = isRow(placement);
  const served = servedBy(placement);
  const lines = (chosen ? 1 : 0) + reasons.length;
  const name = (
    <th scope="rowgroup" rowSpan={Math.max(1, lines)}>
      <Link href={`${entityPath(String(deployment.id))}`}>{String(deployment.displayName ?? deployment.name)}</Link>
    </th>
  );
  if (lines === 0) {
    return (
      <tr>
        {name}
        <td colSpan={5}>{isRow(decision) ? w.unseen(Number(decision.revision)) : t.details.why.none}</td>
      </tr>
    );
  }
  return (
    <>
      {chosen && (
        <tr>
          {name}
          <td>{w.chosen(replicasOf(placement))}</td>
          <td colSpan={4}>
            {w.cost(numeric(placement.score).text)}
            <Terms terms={rowsOf(placement.terms)} longest={longest} />
            {served !== "" && w.serves(served)}
          </td>
        </tr>
      )}
      {reasons.map(({ reason, components }, index) => (
        <tr key={index}>
          {!chosen && index === 0 && name}
          <td>
            {w.refused}
            <Components names={components} />
          </td>
          <ReasonCells reason={reason} />
        </tr>
      ))}
    </>
  );
}
