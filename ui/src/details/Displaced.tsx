// What a deployment has lost, what is done about it, and what people can do: look at the plan, say that nothing runs any more
// at a place that does not answer, see why moves are held.

import { Link } from "wouter";

import { entityPath, listPath } from "../dashboard/routes";
import { at, instant, isRow, type Row } from "../lists/values";
import { t } from "../messages";
import { Confirm } from "../parts/Confirm";
import { NotDone } from "./NotDone";
import { rowsOf } from "./rows";
import { useAsked } from "./useAsked";
import { randomKey, useSent } from "./useSent";

export const DISPLACED = `query Displaced($id: ID!) {
  entity(id: $id) {
    ... on Deployment {
      failover { mode single }
      displacement {
        state why
        plan { id }
        losses { kind since dueAt words planned subject { __typename id displayName ... on Named { name } ... on Site { fence { at } } ... on Node { fence { at } } } }
        more { kind count since dueAt planned }
      }
      releases(first: 100, filter: { wanted: true, leftBehind: false }) {
        nodes {
          cluster { id }
          site { id displayName name fence { at } }
          assignments { node { id displayName name fence { at } } }
        }
      }
    }
  }
}`;

export const FENCE = `mutation Fence($id: ID!, $key: String!) {
  fence(input: { id: $id, idempotencyKey: $key }) { __typename ... on Error { message remedy } }
}`;

const AWAY = new Set(["SITE_DOWN", "NODE_NOT_READY"]);

/** The places of which somebody may say that nothing runs there any more: those that a single deployment waits for. */
export function fenceable(deployment: unknown): readonly Row[] {
  if (at(deployment, "displacement", "state") !== "AWAITING_OLD") return [];
  const places = rowsOf(at(deployment, "displacement", "losses"))
    .flatMap((loss) => (loss.kind === "CLUSTER_DOWN" ? behind(deployment, at(loss, "subject", "id")) : AWAY.has(String(loss.kind)) ? [loss.subject] : []))
    .filter(isRow)
    .filter((place) => !isRow(place.fence));
  return [...new Map(places.map((place) => [String(place.id), place])).values()];
}

/** What a deployment runs on through a control plane: nothing is said of that itself, which others run through too. */
function behind(deployment: unknown, cluster: unknown): readonly unknown[] {
  return rowsOf(at(deployment, "releases", "nodes"))
    .filter((release) => at(release, "cluster", "id") === cluster)
    .flatMap((release) => {
      const assignments = rowsOf(release.assignments);
      return assignments.length === 0 ? [release.site] : assignments.map((one) => one.node);
    });
}

interface DisplacedProps {
  readonly id: string;
  readonly generation: number;
}

export function Displaced({ id, generation }: DisplacedProps) {
  const d = t.details.displaced;
  const asked = useAsked(DISPLACED, { id }, generation);
  const { busy, told, send } = useSent();
  const deployment = at(asked.data, "entity");
  const displacement = at(deployment, "displacement");
  if (!isRow(displacement)) return null;
  const state = String(displacement.state);
  const plan = at(displacement, "plan", "id");
  const name = (place: Row) => String(place.displayName ?? place.name ?? place.id);
  return (
    <section className="displaced" aria-label={d.title}>
      <h2>{d.title}</h2>
      <p role="status">
        {d.states[state] ?? state}
        {typeof displacement.why === "string" && displacement.why !== "" ? `: ${displacement.why}` : ""}
      </p>
      <table className="why-table">
        <thead>
          <tr>
            {d.columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rowsOf(displacement.losses).map((loss, index) => (
            <tr key={index}>
              <th scope="row">{isRow(loss.subject) ? <Link href={entityPath(String(loss.subject.id))}>{String(loss.words)}</Link> : String(loss.words)}</th>
              <td>{instant(loss.since).text}</td>
              <td>{instant(loss.dueAt).text}</td>
              <td>{loss.planned === true ? d.planned : ""}</td>
            </tr>
          ))}
          {rowsOf(displacement.more).map((more) => (
            <tr key={`${String(more.kind)} ${String(more.planned)}`}>
              <th scope="row">{d.more(Number(more.count), String(more.kind))}</th>
              <td>{d.atLatest(instant(more.since).text)}</td>
              <td>{d.atLatest(instant(more.dueAt).text)}</td>
              <td>{more.planned === true ? d.planned : ""}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {typeof plan === "string" && (
        <p>
          <Link href={entityPath(plan)}>{d.plan}</Link>
        </p>
      )}
      {state === "HELD" && (
        <p>
          <Link href={listPath("failover-holds")}>{d.holds}</Link>
        </p>
      )}
      <p className="plan-buttons">
        {fenceable(deployment).map((place) => (
          <Confirm
            key={String(place.id)}
            label={d.fence(name(place))}
            question={d.fenceQuestion(name(place))}
            confirm={d.fenceYes}
            disabled={busy}
            onConfirm={() => void send(FENCE, "fence", { id: String(place.id), key: `page-${randomKey()}` }, asked.again)}
          >
            <p>{d.fenceMeans}</p>
          </Confirm>
        ))}
      </p>
      <NotDone told={told} />
    </section>
  );
}
