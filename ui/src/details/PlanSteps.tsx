// What a plan would do, deployment by deployment: where each is and where it would be, what that costs, and why.

import { Fragment, useState } from "react";
import { Button } from "react-aria-components";
import { Link } from "wouter";

import { entityPath } from "../dashboard/routes";
import { at, isRow, numeric, type Row } from "../lists/values";
import { useTopology } from "../live/useTopology";
import { State, type StateCode } from "../live/states";
import { count, t } from "../messages";
import { StateMark } from "../parts/StateMark";
import { nameOf as placeName } from "../topology/placeText";
import { DECISION, Decision } from "./Decision";
import { REFUSED } from "./Refused";
import { rowsOf } from "./rows";
import { Sites } from "./Site";
import { SUPPOSED, supposed } from "./supposed";
import { useAsked } from "./useAsked";

const PAGE = 25;
const TERMS = ["sites", "latency", "headroom", "price", "moves", "total"] as const;
const COST = `{ ${TERMS.join(" ")} }`;
const SITES = "{ id name displayName }";

export const STEPS = `query Steps($id: ID!, $first: Int!, $after: String) {
  entity(id: $id) {
    ... on Plan {
      ${SUPPOSED}
      costBefore ${COST} costAfter ${COST}
      steps(first: $first, after: $after) {
        totalCount
        pageInfo { hasNextPage endCursor }
        nodes { cursor outcome name moves why deployment { id } before ${SITES} after ${SITES} costBefore ${COST} costAfter ${COST} }
      }
    }
  }
}`;

export const STEP = `query Step($id: ID!, $after: String) {
  entity(id: $id) {
    ... on Plan { steps(first: 1, after: $after) { nodes { decision { ${DECISION} } } } }
  }
}`;

export const STEP_REFUSALS = `query StepRefusals($id: ID!, $after: String, $first: Int!, $filter: RefusalFilter) {
  entity(id: $id) {
    ... on Plan { steps(first: 1, after: $after) { nodes { decision { ${REFUSED} } } } }
  }
}`;

const OUTCOMES: Readonly<Record<string, StateCode>> = { PLACES: State.READY, MOVES: State.READY, STAYS: State.CORDONED, STUCK: State.DOWN };

const decisionOf = (data: unknown) => at(rowsOf(at(data, "entity", "steps", "nodes"))[0], "decision");

export function PlanSteps({ id, generation }: { readonly id: string; readonly generation: number }) {
  const p = t.details.plan;
  const { topology } = useTopology();
  // The cursors that led here: the last one is that of the page that is shown.
  const [pages, setPages] = useState<readonly (string | null)[]>([null]);
  const [open, setOpen] = useState<string | null>(null);
  const before = pages.at(-1) ?? null;
  const asked = useAsked(STEPS, { id, first: PAGE, after: before }, generation);
  const plan = at(asked.data, "entity");
  if (!isRow(plan)) return <p>{asked.problem ?? t.details.loading}</p>;
  const steps = rowsOf(at(plan, "steps", "nodes"));
  const next = at(plan, "steps", "pageInfo", "endCursor");
  const changes = supposed(plan.whatIf, (each) => {
    const place = topology.find(each);
    return place === null ? each : placeName(topology, place);
  });
  const go = (to: readonly (string | null)[]) => {
    setPages(to);
    setOpen(null);
  };
  return (
    <>
      {changes.length > 0 && (
        <>
          <h2>{p.supposedTitle}</h2>
          <ul>
            {changes.map((each) => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        </>
      )}
      <Costs before={plan.costBefore} after={plan.costAfter} label={p.costs} />
      {asked.problem !== null && <p role="alert">{asked.problem}</p>}
      {steps.length === 0 && <p>{p.none}</p>}
      {steps.length > 0 && <p className="list-said">{t.lists.count(count(steps.length), count(Number(at(plan, "steps", "totalCount") ?? 0)))}</p>}
      <table className="why-table plan-steps" hidden={steps.length === 0}>
        <thead>
          <tr>
            <th scope="col">{p.deployment}</th>
            <th scope="col">{p.outcome}</th>
            <th scope="col">{p.from}</th>
            <th scope="col">{p.to}</th>
            <th scope="col">{p.moves}</th>
            <th scope="col">{p.cost}</th>
            <th scope="col">{p.why}</th>
            <td />
          </tr>
        </thead>
        <tbody>
          {steps.map((step, index) => {
            const cursor = String(step.cursor);
            const shown = open === cursor;
            const previous = index === 0 ? before : String(steps[index - 1]?.cursor);
            return (
              <Fragment key={cursor}>
                <tr>
                  <th scope="row">
                    <Deployment step={step} />
                  </th>
                  <td>
                    <span className="state-badge">
                      <StateMark state={OUTCOMES[String(step.outcome)] ?? State.UNKNOWN} /> {p.outcomes[String(step.outcome)] ?? String(step.outcome)}
                    </span>
                  </td>
                  <td>
                    <Sites values={rowsOf(step.before)} none={p.nowhere} />
                  </td>
                  <td>
                    <Sites values={rowsOf(step.after)} none={p.nowhere} />
                  </td>
                  <td>{Number(step.moves)}</td>
                  <td>{p.fromTo(total(step.costBefore), total(step.costAfter))}</td>
                  <td>{typeof step.why === "string" ? step.why : ""}</td>
                  <td>
                    <Button aria-expanded={shown} aria-label={p.reasonsOf(String(step.name))} onPress={() => setOpen(shown ? null : cursor)}>
                      {p.reasons}
                    </Button>
                  </td>
                </tr>
                {shown && (
                  <tr>
                    <td colSpan={8} className="plan-step">
                      <StepReasons id={id} after={previous} step={step} generation={generation} />
                    </td>
                  </tr>
                )}
              </Fragment>
            );
          })}
        </tbody>
      </table>
      {(pages.length > 1 || at(plan, "steps", "pageInfo", "hasNextPage") === true) && (
        <p className="plan-pages">
          <Button isDisabled={pages.length === 1} onPress={() => go(pages.slice(0, -1))}>
            {p.earlier}
          </Button>
          <Button isDisabled={at(plan, "steps", "pageInfo", "hasNextPage") !== true} onPress={() => go([...pages, String(next)])}>
            {p.later}
          </Button>
        </p>
      )}
    </>
  );
}

/** The decision of one step, which is asked for by the cursor of the step before. */
function StepReasons({ id, after, step, generation }: { readonly id: string; readonly after: string | null; readonly step: Row; readonly generation: number }) {
  const p = t.details.plan;
  const asked = useAsked(STEP, { id, after }, generation);
  if (asked.data === null) return <p>{asked.problem ?? t.details.loading}</p>;
  const decision = decisionOf(asked.data);
  return (
    <section aria-label={p.reasonsOf(String(step.name))}>
      <h2>{p.reasonsOf(String(step.name))}</h2>
      <Costs before={step.costBefore} after={step.costAfter} label={p.costOf(String(step.name))} />
      {isRow(decision) ? (
        <Decision decision={decision} asking={{ document: STEP_REFUSALS, variables: { id, after }, decision: decisionOf }} generation={generation} level={3} />
      ) : (
        <p>{p.undecided}</p>
      )}
    </section>
  );
}

function Deployment({ step }: { readonly step: Row }) {
  const id = at(step, "deployment", "id");
  return typeof id === "string" ? <Link href={entityPath(id)}>{String(step.name)}</Link> : <>{String(step.name)}</>;
}

/** What it costs and would cost, term by term; nothing where neither is known. */
function Costs({ before, after, label }: { readonly before: unknown; readonly after: unknown; readonly label: string }) {
  const p = t.details.plan;
  if (!isRow(before) && !isRow(after)) return null;
  return (
    <table className="why-table plan-costs">
      <caption>{label}</caption>
      <thead>
        <tr>
          <td />
          {TERMS.map((term) => (
            <th scope="col" key={term}>
              {p.terms[term]}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {[
          [p.now, before] as const,
          [p.then, after] as const,
        ].map(([words, cost]) => (
          <tr key={words}>
            <th scope="row">{words}</th>
            {TERMS.map((term) => (
              <td key={term}>{isRow(cost) ? numeric(cost[term]).text : p.unknown}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function total(cost: unknown): string {
  return isRow(cost) ? numeric(cost.total).text : "";
}
