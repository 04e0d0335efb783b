// The topology: the same thing as a picture, as a tree, and, for what is selected, in words. What is looked for and what is
// selected are in the address.

import { useRef, useState } from "react";
import { Button } from "react-aria-components";

import { SELECT } from "../dashboard/routes";
import { useQueryState } from "../dashboard/useQueryState";
import { FindBox } from "../find/FindBox";
import { useFind } from "../find/useFind";
import type { Place } from "../live/tables";
import { useStructure } from "../live/useTopology";
import { t } from "../messages";
import { download } from "../parts/download";
import { withCode } from "../parts/withCode";
import { captionOf } from "./caption";
import { EntityTree } from "./EntityTree";
import { Legend } from "./Legend";
import { SelectionPanel } from "./SelectionPanel";
import { type CanvasHandle, TopologyCanvas } from "./TopologyCanvas";
import "./topology.css";

const ZOOM_STEP = 1.5;

export function TopologyPage() {
  const { topology } = useStructure();
  const find = useFind();
  const [selectedId, setSelectedId] = useQueryState(SELECT);
  const canvas = useRef<CanvasHandle>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const selected = selectedId === "" ? null : topology.find(selectedId);
  const select = (place: Place | null) => setSelectedId(place === null ? null : topology.idOf(place));
  const show = (place: Place) => canvas.current?.show(place);
  const save = () => {
    canvas.current
      ?.toPng(captionOf({ title: t.topology.title, things: t.topology.nodesByState, totals: topology.nodeTotals, revision: topology.revision, find: find.text }, new Date()))
      .then((blob) => download(blob, `topology-${topology.revision}.png`))
      .catch((error: unknown) => setProblem(error instanceof Error ? error.message : String(error)));
  };
  const empty = topology.revision > 0 && topology.regions.size === 0;
  return (
    <div className="topology">
      <h1 className="visually-hidden">{t.topology.title}</h1>
      <div className="topology-tools">
        <FindBox find={find} />
        <Legend find={find} />
        <div className="topology-zoom">
          <Button aria-label={t.topology.zoomIn} onPress={() => canvas.current?.zoom(ZOOM_STEP)}>
            +
          </Button>
          <Button aria-label={t.topology.zoomOut} onPress={() => canvas.current?.zoom(1 / ZOOM_STEP)}>
            −
          </Button>
          <Button onPress={() => canvas.current?.fit()}>{t.topology.fit}</Button>
          <Button aria-label={t.topology.arrange} onPress={() => canvas.current?.arrange()}>
            {t.topology.arrangeShort}
          </Button>
          <Button aria-label={t.topology.png} onPress={save}>
            PNG
          </Button>
        </div>
      </div>
      {problem !== null && (
        <p role="alert" className="topology-problem">
          {problem}
        </p>
      )}
      <aside className="topology-tree" aria-label={t.topology.tree}>
        <EntityTree match={find.match} selected={selected} onSelect={select} onShow={show} />
      </aside>
      <div className="topology-picture">
        <TopologyCanvas ref={canvas} match={find.match} selected={selected} onSelect={select} />
        {empty && (
          <div className="topology-empty">
            <p>
              <strong>{t.topology.empty}</strong>
            </p>
            <p>{withCode(t.topology.emptyRemedy)}</p>
          </div>
        )}
        <p className="topology-summary">
          {t.topology.summary(topology.regions.size, topology.sites.size, topology.nodes.size, topology.links.size)}
        </p>
      </div>
      <section className="topology-details" aria-label={t.topology.details}>
        <SelectionPanel id={selectedId} onSelect={select} onShow={show} />
      </section>
    </div>
  );
}
