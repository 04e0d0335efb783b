// Sites and links where they are on the earth, what is looked for among them, and how far a deployment reaches.

import { useState } from "react";
import { Checkbox } from "react-aria-components";

import { SELECT } from "../dashboard/routes";
import { useQueryState } from "../dashboard/useQueryState";
import { FindBox } from "../find/FindBox";
import { useFind } from "../find/useFind";
import type { Place } from "../live/tables";
import type { Topology } from "../live/topology";
import { useTopology } from "../live/useTopology";
import { t } from "../messages";
import { Legend } from "../topology/Legend";
import { SelectionPanel } from "../topology/SelectionPanel";
import { MapCanvas } from "./MapCanvas";
import { useDeployments, useReach } from "./useReach";
import "../topology/topology.css";
import "./map.css";

/** The deployment whose reach is shown, in the address. */
const REACH = "reach";

export function MapPage() {
  const { topology } = useTopology();
  const find = useFind();
  const [selectedId, setSelectedId] = useQueryState(SELECT);
  const [reachId, setReachId] = useQueryState(REACH);
  const [links, setLinks] = useState(true);
  const [waypoints, setWaypoints] = useState(false);
  const deployments = useDeployments();
  const { reach, failed } = useReach(reachId);
  const selected = selectedId === "" ? null : topology.find(selectedId);
  const select = (place: Place | null) => setSelectedId(place === null ? null : topology.idOf(place));
  const { placed, unplaced } = positions(topology);
  return (
    <div className="topology map">
      <h1 className="visually-hidden">{t.map.title}</h1>
      <div className="topology-tools">
        <FindBox find={find} />
        <Legend find={find} />
        <label className="map-reach">
          {t.map.reach}{" "}
          <select value={reachId} onChange={(event) => setReachId(event.target.value)}>
            <option value="">{t.map.noReach}</option>
            {deployments.map((each) => (
              <option key={each.id} value={each.id}>
                {each.name}
              </option>
            ))}
          </select>
        </label>
        <Checkbox className="check" isSelected={links} onChange={setLinks}>
          <span aria-hidden="true" className="check-box" /> {t.map.links}
        </Checkbox>
        <Checkbox className="check" isSelected={waypoints} onChange={setWaypoints}>
          <span aria-hidden="true" className="check-box" /> {t.map.waypoints}
        </Checkbox>
      </div>
      {failed && (
        <p role="alert" className="topology-problem">
          {t.map.reachFailed}
        </p>
      )}
      <div className="topology-picture">
        <MapCanvas
          match={find.match}
          selected={selected}
          reach={reach?.siteIds ?? []}
          showLinks={links}
          showWaypoints={waypoints}
          onSelect={select}
        />
        {topology.revision > 0 && placed === 0 && (
          <div className="topology-empty">
            <p>
              <strong>{t.map.empty}</strong>
            </p>
            <p>{t.map.emptyRemedy}</p>
          </div>
        )}
        <p className="topology-summary" role="status">
          {reach ? t.map.reachOf(reach.name, reach.siteIds.length) : unplaced > 0 && t.map.unplaced(unplaced)}
        </p>
      </div>
      <section className="topology-details" aria-label={t.topology.details}>
        <SelectionPanel id={selectedId} onSelect={select} onShow={() => undefined} />
      </section>
    </div>
  );
}

function positions({ sites }: Topology): { placed: number; unplaced: number } {
  let placed = 0;
  let unplaced = 0;
  for (let row = 0; row < sites.limit; row += 1) {
    if (!sites.has(row)) continue;
    if (Number.isNaN(sites.longitude[row])) unplaced += 1;
    else placed += 1;
  }
  return { placed, unplaced };
}
