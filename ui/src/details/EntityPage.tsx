// The page of one thing of any kind: what it is, what is desired beside what was observed, and what belongs to it.

import { useMemo } from "react";
import { Button, Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { Link } from "wouter";

import { SELECT, TOPOLOGY_PATH, withQuery } from "../dashboard/routes";
import { useQueryState } from "../dashboard/useQueryState";
import { useTitle } from "../dashboard/useTitle";
import { CellView } from "../lists/CellView";
import { at, isRow, type Row } from "../lists/values";
import { useTopology } from "../live/useTopology";
import { t } from "../messages";
import { DeploymentActions } from "./DeploymentActions";
import { Displaced } from "./Displaced";
import { DeploymentWhy } from "./DeploymentWhy";
import { HoldActions } from "./HoldActions";
import { factsDocument, factsOf, type Facts } from "./facts";
import { NAMING, nameOf } from "./naming";
import { OperationActions } from "./OperationActions";
import { OperationProgress } from "./OperationProgress";
import { PlanActions } from "./PlanActions";
import { PlanSteps } from "./PlanSteps";
import { RelatedList } from "./RelatedList";
import { SECTIONS } from "./sections";
import { SiteWhy } from "./SiteWhy";
import { useAsked } from "./useAsked";
import "./details.css";

export const HEAD = `query Head($id: ID!) {
  entity(id: $id) {
    __typename id displayName revision
    ${NAMING}
  }
}`;

/** The tab that is shown, in the address. */
const TAB = "tab";

export function EntityPage({ id }: { readonly id: string }) {
  const { topology } = useTopology();
  const head = useAsked(HEAD, { id }, topology.revision);
  const found = at(head.data, "entity");
  const type = String(at(found, "__typename") ?? "");
  const facts = useMemo(() => factsOf(type), [type]);
  const document = useMemo(() => (facts === null ? null : factsDocument(facts)), [facts]);
  const asked = useAsked(document, { id }, Number(at(found, "revision") ?? 0));
  const row = at(asked.data, "entity");
  const problem = head.problem ?? asked.problem;
  useTitle(...(isRow(found) ? [nameOf(found), spaced(type)] : head.data === null ? [] : [t.details.notFoundTitle]));
  if (problem !== null && !isRow(found)) {
    return (
      <div className="notice" role="alert">
        <h1>{t.details.failed}</h1>
        <p>{problem}</p>
        <Button onPress={head.again}>{t.details.retry}</Button>
      </div>
    );
  }
  if (head.data === null) return <p className="loading">{t.details.loading}</p>;
  if (!isRow(found) || facts === null) {
    return (
      <div className="notice">
        <h1>{t.details.notFound}</h1>
        <p>{t.details.notFoundRemedy}</p>
      </div>
    );
  }
  return (
    <article className="entity">
      <header className="entity-head">
        <p className="entity-kind">{spaced(type)}</p>
        <h1>{nameOf(found)}</h1>
        {topology.find(id) !== null && <Link href={withQuery(TOPOLOGY_PATH, "", { [SELECT]: id })}>{t.details.showInTopology}</Link>}
      </header>
      {problem !== null && (
        <p role="alert" className="list-problem">
          {problem}
        </p>
      )}
      {type === "Plan" && <PlanActions id={id} name={nameOf(found)} generation={topology.revision} />}
      {type === "Deployment" && <DeploymentActions id={id} name={nameOf(found)} generation={Number(found.revision ?? 0)} />}
      {type === "Deployment" && <Displaced id={id} generation={Number(found.revision ?? 0)} />}
      {type === "Operation" && <OperationActions id={id} name={nameOf(found)} generation={topology.revision} />}
      {type === "FailoverHold" && <HoldActions id={id} generation={topology.revision} />}
      {isRow(row) ? <FactList facts={facts} row={row} id={id} /> : <p>{t.details.loading}</p>}
      <Sections type={type} kind={kindOf(found)} id={id} row={isRow(row) ? row : null} generation={Number(found.revision ?? 0)} />
    </article>
  );
}

function FactList({ facts, row, id }: { readonly facts: Facts; readonly row: Row; readonly id: string }) {
  const name = (key: string) => t.details.fields[key] ?? t.lists.columns[key] ?? key;
  const pairs = facts.pairs.filter((pair) => pair.desired(row).is !== "none");
  const shown = facts.columns.map((column) => ({ column, cell: column.cell(row) })).filter(({ cell }) => cell.is !== "none");
  return (
    <>
      <section aria-label={t.details.facts}>
        <dl className="entity-facts">
          {shown.map(({ column, cell }) => (
            <div key={column.key}>
              <dt>{name(column.key)}</dt>
              <dd>
                <CellView cell={cell} />
              </dd>
            </div>
          ))}
          <div>
            <dt>{t.details.id}</dt>
            <dd>
              <code>{id}</code>
            </dd>
          </div>
        </dl>
      </section>
      {pairs.length > 0 && (
        <section>
          <h2>{t.details.desiredAndObserved}</h2>
          <table className="why-table entity-pairs">
            <thead>
              <tr>
                <td />
                <th scope="col">{t.details.desired}</th>
                <th scope="col">{t.details.observed}</th>
                <td />
              </tr>
            </thead>
            <tbody>
              {pairs.map((pair) => {
                const [desired, observed] = [pair.desired(row), pair.observed(row)];
                const same = pair.same === undefined ? desired.text === observed.text : pair.same(row);
                const verdict = same === null ? "" : same ? `✓ ${t.details.same}` : `! ${t.details.differs}`;
                return (
                  <tr key={pair.key}>
                    <th scope="row">{name(pair.key)}</th>
                    <td>{desired.text}</td>
                    <td>{observed.text}</td>
                    <td>{observed.is === "none" ? t.details.unobserved : verdict}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </section>
      )}
    </>
  );
}

/** What a thing is among those of its type: an operation's kind, a site's role. */
function kindOf(found: Row): string {
  return String(found.kind ?? found.siteRole ?? "");
}

/** What a page of a type has before its lists; null for nothing. */
function firstOf(type: string, kind: string): string | null {
  if (type === "Site") return kind === "TRANSIT" ? null : "why";
  return { Deployment: "why", Operation: "progress", Plan: "steps" }[type] ?? null;
}

interface SectionsProps {
  readonly type: string;
  readonly kind: string;
  readonly id: string;
  readonly row: Row | null;
  readonly generation: number;
}

function Sections({ type, kind, id, row, generation }: SectionsProps) {
  const [tab, setTab] = useQueryState(TAB);
  const sections = SECTIONS[type] ?? [];
  const first = firstOf(type, kind);
  const lists: readonly string[] = sections.map((section) => section.kind);
  // What runs at a site comes first; why is for who asks.
  const keys = first === null ? lists : type === "Site" ? [...lists, first] : [first, ...lists];
  if (keys.length === 0) return null;
  return (
    <Tabs selectedKey={keys.includes(tab) ? tab : (keys[0] ?? "")} onSelectionChange={(key) => setTab(String(key))} className="entity-tabs">
      <TabList aria-label={t.details.related} className="tab-list">
        {keys.map((key) => (
          <Tab key={key} id={key}>
            {key === first ? t.details.tabs[type] : t.lists.kinds[key as keyof typeof t.lists.kinds]}
          </Tab>
        ))}
      </TabList>
      {first !== null && (
        <TabPanel id={first} className="tab-panel">
          {type === "Deployment" && <DeploymentWhy id={id} generation={generation} />}
          {type === "Operation" && row && <OperationProgress id={id} kind={kind} facts={row} generation={generation} />}
          {type === "Plan" && <PlanSteps id={id} generation={generation} />}
          {type === "Site" && <SiteWhy id={id} />}
        </TabPanel>
      )}
      {sections.map((section) => (
        <TabPanel key={section.kind} id={section.kind} className="tab-panel">
          <RelatedList kind={section.kind} filter={section.filter(id)} without={section.without ?? NOTHING} />
        </TabPanel>
      ))}
    </Tabs>
  );
}

const NOTHING: readonly string[] = [];

/** `AppVersion` as `App version`. */
function spaced(type: string): string {
  const words = type.replace(/([a-z])([A-Z])/g, "$1 $2");
  return words.charAt(0) + words.slice(1).toLowerCase();
}
