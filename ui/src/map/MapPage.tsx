// Sites and links where they are on the earth, what is looked for among them, and how far a deployment reaches; and the same
// as a tree, which can be walked with keys and read out.

import { useMemo, useRef, useState } from "react";
import { Button, Checkbox } from "react-aria-components";

import { SELECT } from "../dashboard/routes";
import { useQueryState } from "../dashboard/useQueryState";
import { FindBox } from "../find/FindBox";
import { useFind } from "../find/useFind";
import type { Place } from "../live/tables";
import type { Topology } from "../live/topology";
import { useTopology } from "../live/useTopology";
import { t } from "../messages";
import { download } from "../parts/download";
import { latency } from "../topology/canvas/links";
import { captionOf } from "../topology/caption";
import { EntityTree } from "../topology/EntityTree";
import { Legend } from "../topology/Legend";
import { nameOf } from "../topology/placeText";
import { SelectionPanel } from "../topology/SelectionPanel";
import { MapCanvas, type MapHandle } from "./MapCanvas";
import type { Reach } from "./reach";
import { ReachList } from "./ReachList";
import { mapStageOf } from "./stage";
import { useDeployments, useReach } from "./useReach";
import "../topology/topology.css";
import "./map.css";

/** The deployment whose reach is shown, in the address. */
const REACH = "reach";
const ZOOM_STEP = 1.5;

export function MapPage() {
  const live = useTopology();
  const { topology } = live;
  const stage = mapStageOf(live);
  const find = useFind();
  const [selectedId, setSelectedId] = useQueryState(SELECT);
  const [reachId, setReachId] = useQueryState(REACH);
  const [links, setLinks] = useState(stage.links);
  const [waypoints, setWaypoints] = useState(stage.waypoints);
  const [problem, setProblem] = useState<string | null>(null);
  const map = useRef<MapHandle>(null);
  const deployments = useDeployments();
  const { reach, failed } = useReach(reachId);
  const selected = selectedId === "" ? null : topology.find(selectedId);
  const { kind, row } = selected ?? {};
  const scene = useMemo(
    () => ({
      match: find.match,
      selected: kind === undefined || row === undefined ? null : { kind, row },
      reach,
      showLinks: links,
      showWaypoints: waypoints,
    }),
    [find.match, kind, row, reach, links, waypoints],
  );
  const select = (place: Place | null) => setSelectedId(place === null ? null : topology.idOf(place));
  const show = (place: Place) => setProblem(map.current?.show(place) === false ? t.map.noPosition(nameOf(topology, place)) : null);
  const { placed, unplaced } = positions(topology);
  const said = reach ? inWords(reach) : unplaced > 0 ? t.map.unplaced(unplaced) : "";
  const save = () => {
    const { siteTotals: totals, revision } = topology;
    const also = reach ? inWords(reach) : "";
    map.current
      ?.toPng(captionOf({ title: t.map.title, things: t.topology.sitesByState, totals, revision, find: find.text, also }, new Date()))
      .then((blob) => download(blob, `map-${revision}.png`))
      .catch((error: unknown) => setProblem(error instanceof Error ? error.message : String(error)));
  };
  return (
    <div className="topology map">
      <h1 className="visually-hidden">{t.map.title}</h1>
      <div className="topology-tools">
        <FindBox find={find} />
        <Legend find={find} />
        <label className="map-reach">
          {t.map.reachShort}{" "}
          <select aria-label={t.map.reach} value={reachId} onChange={(event) => setReachId(event.target.value)}>
            <option value="">{t.map.noReach}</option>
            {deployments.map((each) => (
              <option key={each.id} value={each.id}>
                {each.name}
              </option>
            ))}
          </select>
        </label>
        <Checkbox className="check" isSelected={links} onChange={(is) => setLinks((stage.links = is))}>
          <span aria-hidden="true" className="check-box" /> {t.map.links}
        </Checkbox>
        <Checkbox className="check" isSelected={waypoints} onChange={(is) => setWaypoints((stage.waypoints = is))}>
          <span aria-hidden="true" className="check-box" /> {t.map.waypoints}
        </Checkbox>
        <div className="topology-zoom">
          <Button aria-label={t.topology.zoomIn} onPress={() => map.current?.zoom(ZOOM_STEP)}>
            +
          </Button>
          <Button aria-label={t.topology.zoomOut} onPress={() => map.current?.zoom(1 / ZOOM_STEP)}>
            −
          </Button>
          <Button onPress={() => map.current?.fit()}>{t.map.fit}</Button>
          <Button aria-label={t.topology.png} onPress={save}>
            PNG
          </Button>
        </div>
      </div>
      {(failed || problem !== null) && (
        <p role="alert" className="topology-problem">
          {problem ?? t.map.reachFailed}
        </p>
      )}
      <aside className="topology-tree" aria-label={t.topology.tree}>
        <EntityTree match={find.match} selected={selected} onSelect={select} onShow={show} />
      </aside>
      <div className="topology-picture">
        <MapCanvas ref={map} scene={scene} onSelect={select} />
        {topology.revision > 0 && placed === 0 && (
          <div className="topology-empty">
            <p>
              <strong>{t.map.empty}</strong>
            </p>
            <p>{t.map.emptyRemedy}</p>
          </div>
        )}
        <p className="topology-summary" role="status">
          {said}
        </p>
      </div>
      <section className="topology-details" aria-label={t.topology.details}>
        <SelectionPanel id={selectedId} onSelect={select} onShow={show} />
        {reach && <ReachList reach={reach} topology={topology} onSelect={select} />}
      </section>
    </div>
  );
}

function inWords({ name, siteIds, served }: Reach): string {
  const worst = served.reduce((most, each) => Math.max(most, each.latencyMs), 0);
  return t.map.reachOf(name, siteIds.length, served.length, latency(worst));
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
