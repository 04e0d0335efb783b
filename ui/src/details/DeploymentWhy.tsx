// Why a deployment runs where it does: the decision that chose its sites.

import { at, isRow } from "../lists/values";
import { t } from "../messages";
import { DECISION, Decision } from "./Decision";
import { REFUSED } from "./Refused";
import { useAsked } from "./useAsked";

export const WHY = `query Why($id: ID!) {
  entity(id: $id) {
    ... on Deployment {
      decision {
        ${DECISION}
      }
    }
  }
}`;

export const REFUSALS = `query Refusals($id: ID!, $first: Int!, $filter: RefusalFilter) {
  entity(id: $id) {
    ... on Deployment {
      decision {
        ${REFUSED}
      }
    }
  }
}`;

const decisionOf = (data: unknown) => at(data, "entity", "decision");

export function DeploymentWhy({ id, generation }: { readonly id: string; readonly generation: number }) {
  const asked = useAsked(WHY, { id }, generation);
  if (asked.data === null) return <p>{asked.problem ?? t.details.loading}</p>;
  const decision = decisionOf(asked.data);
  if (!isRow(decision)) return <p>{t.details.why.none}</p>;
  return <Decision decision={decision} asking={{ document: REFUSALS, variables: { id }, decision: decisionOf }} generation={generation} />;
}
