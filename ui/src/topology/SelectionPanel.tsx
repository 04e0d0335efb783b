// What is selected, as it is now: enough to know it by, and the way to its page.

import { Button } from "react-aria-components";
import { Link } from "wouter";

import { entityPath } from "../dashboard/routes";
import { STATE_COUNT } from "../live/states";
import type { Place } from "../live/tables";
import type { Topology } from "../live/topology";
import { useTopology } from "../live/useTopology";
import { count, t } from "../messages";
import { StateBadge, StateCounts } from "../parts/StateMark";
import { latency } from "./canvas/links";
import { nameOf } from "./placeText";

const LINKS_SHOWN = 12;

interface PanelProps {
  /** The id in the address; there may be nothing of that id any more. */
  readonly id: string;
  readonly onSelect: (place: Place | null) => void;
  readonly onShow: (place: Place) => void;
}

export function SelectionPanel({ id, onSelect, onShow }: PanelProps) {
  const { topology } = useTopology();
  const place = id === "" ? null : topology.find(id);
  if (id === "") return <p className="panel-empty">{t.topology.nothingSelected}</p>;
  if (place === null) {
    return (
      <div className="panel">
        <p>{t.topology.gone}</p>
        <Button onPress={() => onSelect(null)}>{t.topology.close}</Button>
      </div>
    );
  }
  return (
    <div className="panel">
      <p className="panel-kind">{t.topology.kinds[place.kind]}</p>
      <h2>{nameOf(topology, place)}</h2>
      <dl>
        <Facts topology={topology} place={place} onSelect={onSelect} />
      </dl>
      <p className="panel-actions">
        <Link href={entityPath(id)}>{t.topology.open}</Link>
        <Button onPress={() => onShow(place)}>{t.topology.zoomTo}</Button>
        <Button onPress={() => onSelect(null)}>{t.topology.close}</Button>
      </p>
    </div>
  );
}

interface FactsProps {
  readonly topology: Topology;
  readonly place: Place;
  readonly onSelect: (place: Place | null) => void;
}

function Facts({ topology, place, onSelect }: FactsProps) {
  const { kind, row } = place;
  const { regions, sites, nodes, links, instances } = topology;
  const f = t.topology.fields;
  const to = (target: Place) => (
    <button type="button" className="link" onClick={() => onSelect(target)}>
      {nameOf(topology, target)}
    </button>
  );
  switch (kind) {
    case "region":
      return (
        <>
          <Fact name={f.level}>{regions.levels[row]?.toLowerCase()}</Fact>
          {(regions.parent[row] ?? -1) >= 0 && <Fact name={f.region}>{to({ kind: "region", row: regions.parent[row] as number })}</Fact>}
          <Fact name={t.topology.sitesByState}>
            <StateCounts counts={regions.siteCounts} row={row} />
          </Fact>
          <Fact name={t.topology.nodesByState}>
            <StateCounts counts={regions.nodeCounts} row={row} />
          </Fact>
          <Labels text={regions.labels[row]} />
        </>
      );
    case "site":
      return (
        <>
          <Fact name={f.state}>
            {sites.transit[row] === 1 ? t.topology.waypoint : <StateBadge state={sites.state[row] ?? 3} />}
          </Fact>
          {(sites.region[row] ?? -1) >= 0 && <Fact name={f.region}>{to({ kind: "region", row: sites.region[row] as number })}</Fact>}
          <Fact name={f.tier}>{sites.tiers[row]?.toLowerCase()}</Fact>
          {some(sites.nodeCounts, row) && (
            <Fact name={t.topology.nodesByState}>
              <StateCounts counts={sites.nodeCounts} row={row} />
            </Fact>
          )}
          {some(sites.instanceCounts, row) && (
            <Fact name={t.topology.instancesByState}>
              <StateCounts counts={sites.instanceCounts} row={row} />
            </Fact>
          )}
          <SiteLinks topology={topology} site={row} onSelect={onSelect} />
          <Labels text={sites.labels[row]} />
        </>
      );
    case "node":
      return (
        <>
          <Fact name={f.state}>
            <StateBadge state={nodes.state[row] ?? 3} />
          </Fact>
          {(nodes.site[row] ?? -1) >= 0 && <Fact name={f.site}>{to({ kind: "site", row: nodes.site[row] as number })}</Fact>}
          <Fact name={f.arch}>{nodes.arches[row]}</Fact>
          <Labels text={nodes.labels[row]} />
        </>
      );
    case "instance":
      return (
        <>
          <Fact name={f.state}>
            <StateBadge state={instances.state[row] ?? 3} />
          </Fact>
          {(instances.site[row] ?? -1) >= 0 && <Fact name={f.site}>{to({ kind: "site", row: instances.site[row] as number })}</Fact>}
          {(instances.node[row] ?? -1) >= 0 && <Fact name={f.node}>{to({ kind: "node", row: instances.node[row] as number })}</Fact>}
        </>
      );
    case "link":
      return (
        <>
          <Fact name={f.state}>
            {latency(links.latencyMs[row] as number)} <StateBadge state={links.state[row] ?? 3} />
          </Fact>
          {[links.from[row] as number, links.to[row] as number].map((site) => site >= 0 && <Fact key={site} name={f.site}>{to({ kind: "site", row: site })}</Fact>)}
        </>
      );
  }
}

function Fact({ name, children }: { readonly name: string; readonly children: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** A site's links, nearest first. */
function SiteLinks({ topology, site, onSelect }: { readonly topology: Topology; readonly site: number; readonly onSelect: (place: Place) => void }) {
  const { links, sites } = topology;
  const own: { readonly row: number; readonly other: number }[] = [];
  for (let row = 0; row < links.limit; row += 1) {
    if (!links.has(row)) continue;
    if (links.from[row] === site) own.push({ row, other: links.to[row] as number });
    else if (links.to[row] === site) own.push({ row, other: links.from[row] as number });
  }
  if (own.length === 0) return null;
  own.sort((a, b) => (links.latencyMs[a.row] as number) - (links.latencyMs[b.row] as number));
  return (
    <Fact name={`${t.topology.fields.links} (${count(own.length)})`}>
      <ul className="panel-links">
        {own.slice(0, LINKS_SHOWN).map(({ row, other }) => (
          <li key={row}>
            <button type="button" className="link" onClick={() => onSelect({ kind: "site", row: other })}>
              {sites.titles[other]}
            </button>{" "}
            {latency(links.latencyMs[row] as number)}
            {links.state[row] !== 0 && (
              <>
                {" "}
                <StateBadge state={links.state[row] ?? 3} />
              </>
            )}
          </li>
        ))}
      </ul>
      {own.length > LINKS_SHOWN && t.topology.more(count(own.length - LINKS_SHOWN))}
    </Fact>
  );
}

function Labels({ text }: { readonly text: string | undefined }) {
  if (!text) return null;
  return (
    <Fact name={t.topology.fields.labels}>
      <span className="labels">
        {text.split(",").map((label) => (
          <code key={label}>{label}</code>
        ))}
      </span>
    </Fact>
  );
}

function some(counts: Int32Array, row: number): boolean {
  for (let state = 0; state < STATE_COUNT; state += 1) if ((counts[row * STATE_COUNT + state] as number) > 0) return true;
  return false;
}
