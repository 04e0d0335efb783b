// The reach of a deployment in words, beside its picture: its sites, and what each serves in how long.

import type { Place } from "../live/tables";
import type { Topology } from "../live/topology";
import { count, t } from "../messages";
import { latency, limit } from "../topology/canvas/links";
import type { Reach } from "./reach";

const SITES_SHOWN = 30;

interface ReachListProps {
  readonly reach: Reach;
  readonly topology: Topology;
  readonly onSelect: (place: Place) => void;
}

export function ReachList({ reach, topology, onSelect }: ReachListProps) {
  const known = reach.siteIds.map((id) => topology.sites.rowOf(id)).filter((row) => row >= 0);
  return (
    <div className="panel map-reach-list">
      <h2>{t.map.reachTitle(reach.name)}</h2>
      <ul>
        {known.slice(0, SITES_SHOWN).map((row) => (
          <li key={row}>
            <button type="button" className="link" onClick={() => onSelect({ kind: "site", row })}>
              {topology.sites.titles[row]}
            </button>
            <Served reach={reach} siteId={topology.sites.ids[row] ?? ""} />
          </li>
        ))}
      </ul>
      {known.length > SITES_SHOWN && <p>{t.topology.more(count(known.length - SITES_SHOWN))}</p>}
      {reach.served.length === 0 && <p className="panel-kind">{t.map.reachNone}</p>}
    </div>
  );
}

function Served({ reach, siteId }: { readonly reach: Reach; readonly siteId: string }) {
  const served = reach.served.filter((each) => each.siteId === siteId);
  if (served.length === 0) return null;
  return (
    <ul>
      {served.map(({ place, latencyMs, withinMs, withinKm }) => (
        <li key={place}>{t.map.reachServes(place, latency(latencyMs), limit(withinMs, withinKm))}</li>
      ))}
    </ul>
  );
}
