// A hold on automatic moves: how many sites are lost, and having moves go on by somebody who knows of all of them.

import { at, instant, isRow } from "../lists/values";
import { t } from "../messages";
import { Confirm } from "../parts/Confirm";
import { NotDone } from "./NotDone";
import { useAsked } from "./useAsked";
import { randomKey, useSent } from "./useSent";

export const HOLD = `query Hold($id: ID!) { entity(id: $id) { ... on FailoverHold { lost sites resumedAt region { displayName name } } } }`;

export const RESUME = `mutation Resume($id: ID!, $lost: Int!, $key: String!) {
  resumeFailover(input: { id: $id, lostSites: $lost, idempotencyKey: $key }) { __typename ... on Error { message remedy } }
}`;

interface HoldProps {
  readonly id: string;
  readonly generation: number;
}

export function HoldActions({ id, generation }: HoldProps) {
  const h = t.details.hold;
  const asked = useAsked(HOLD, { id }, generation);
  const { busy, told, send } = useSent();
  const hold = at(asked.data, "entity");
  if (!isRow(hold)) return null;
  const [lost, sites] = [Number(hold.lost ?? 0), Number(hold.sites ?? 0)];
  const held = typeof hold.resumedAt !== "string";
  return (
    <section className="plan-actions" aria-label={h.title}>
      <p role="status">
        {h.lost(lost, sites)} {held ? h.held : h.resumed(instant(hold.resumedAt).text)}
      </p>
      {held && (
        <p className="plan-buttons">
          <Confirm
            label={h.resume}
            question={h.question(lost)}
            confirm={h.yes}
            disabled={busy}
            onConfirm={() => void send(RESUME, "resumeFailover", { id, lost, key: `page-${randomKey()}` }, asked.again)}
          >
            <p>{h.means}</p>
          </Confirm>
        </p>
      )}
      <NotDone told={told} />
    </section>
  );
}
