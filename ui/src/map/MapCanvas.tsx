// The canvas of the map and the hands on it.

import { useEffect, useImperativeHandle, useRef, useState, type Ref } from "react";

import { theme } from "../dashboard/theme";
import type { Place } from "../live/tables";
import { useLive } from "../live/useTopology";
import { count, t } from "../messages";
import { type Keys, pressed } from "../parts/keys";
import type { Caption } from "../topology/caption";
import { captioned } from "../topology/captioned";
import { titleOf } from "../topology/placeText";
import type { Cluster } from "./clusters";
import { loadEarth } from "./earth";
import { MapPainter, type MapScene } from "./MapPainter";
import { pointsOf, sitesOf } from "./places";
import { mapStageOf } from "./stage";

const KEY_STEP_PX = 80;
const ZOOM_STEP = 1.4;
const CLUSTER_STEP = 2.2;
const WHEEL = 0.0016;
const DRAG_PX = 4;

/** What the page does with its map. */
export interface MapHandle {
  /** Shows all sites. */
  fit(): void;
  zoom(factor: number): void;
  /** Shows where a thing is; false where that has no position. */
  show(place: Place): boolean;
  toPng(caption: Caption): Promise<Blob>;
}

/** The map's inner parts, for programs that look at the page (`canvas.map`). */
interface MapElement extends HTMLCanvasElement {
  map?: { readonly stage: ReturnType<typeof mapStageOf>; readonly painter: MapPainter };
}

interface MapCanvasProps {
  readonly scene: MapScene;
  readonly onSelect: (place: Place | null) => void;
  readonly ref?: Ref<MapHandle>;
}

export function MapCanvas({ scene, onSelect, ref }: MapCanvasProps) {
  const live = useLive();
  const { topology } = live;
  const stage = mapStageOf(live);
  const canvas = useRef<MapElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const painter = useRef<MapPainter | null>(null);
  const wanted = useRef(scene);
  const [hover, setHover] = useState<{ readonly text: string; readonly x: number; readonly y: number } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    wanted.current = scene;
  }, [scene]);

  useEffect(() => {
    const element = canvas.current;
    const around = frame.current;
    if (!element || !around) return;
    const drawing = new MapPainter(element, stage, topology);
    painter.current = drawing;
    element.map = { stage, painter: drawing };
    loadEarth()
      .then((earth) => drawing.take(earth))
      .catch((error: unknown) => setProblem(error instanceof Error ? error.message : String(error)));
    const resize = new ResizeObserver(() => drawing.resize(around.clientWidth, around.clientHeight, Math.min(2, devicePixelRatio)));
    resize.observe(around);
    const stopTheme = theme.subscribe(() => drawing.restyle());
    let handle = requestAnimationFrame(function loop(now: number) {
      handle = requestAnimationFrame(loop);
      drawing.draw(wanted.current, now);
      if (topology.revision > 0) element.dataset.revision = String(topology.revision);
    });
    return () => {
      cancelAnimationFrame(handle);
      resize.disconnect();
      stopTheme();
      painter.current = null;
    };
  }, [topology, stage]);

  useImperativeHandle(ref, () => ({
    fit: () => painter.current && stage.fit(painter.current.points),
    zoom: (factor) => stage.zoom(factor),
    show: (place) => {
      const points = pointsOf(painter.current?.points ?? new Float64Array(0), sitesOf(topology, place));
      if (!points.some((value) => !Number.isNaN(value))) return false;
      stage.show(points);
      return true;
    },
    toPng: (caption) => (canvas.current ? captioned(canvas.current, caption) : Promise.reject(new Error(t.map.empty))),
  }));

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      stage.zoom(Math.exp(-event.deltaY * lines * WHEEL), event.clientX - box.left, event.clientY - box.top);
    };
    // Not passive: the page must not scroll or zoom as well.
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [stage]);

  const drag = useRef<{ x: number; y: number; far: boolean } | null>(null);
  const keys: Keys = {
    ArrowLeft: () => stage.pan(KEY_STEP_PX, 0),
    ArrowRight: () => stage.pan(-KEY_STEP_PX, 0),
    ArrowUp: () => stage.pan(0, KEY_STEP_PX),
    ArrowDown: () => stage.pan(0, -KEY_STEP_PX),
    "+": () => stage.zoom(ZOOM_STEP),
    "=": () => stage.zoom(ZOOM_STEP),
    "-": () => stage.zoom(1 / ZOOM_STEP),
    "0": () => painter.current && stage.fit(painter.current.points),
    Escape: () => onSelect(null),
  };
  const local = (event: React.PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top] as const;
  };
  const clusterAt = (px: number, py: number) => painter.current?.clusterAt(px, py) ?? null;
  return (
    <div ref={frame} className="topology-frame">
      <canvas
        ref={canvas}
        className="topology-canvas"
        tabIndex={0}
        role="application"
        aria-roledescription={t.map.picture}
        aria-label={`${t.map.picture}. ${t.map.pictureHelp}`}
        onKeyDown={(event) => pressed(event, keys)}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          drag.current = { x: event.clientX, y: event.clientY, far: false };
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={(event) => {
          const [px, py] = local(event);
          const held = drag.current;
          if (held === null) {
            const cluster = clusterAt(px, py);
            setHover(cluster && { text: textOf(cluster, topology), x: px, y: py });
            return;
          }
          const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
          if (!held.far && Math.abs(dx) + Math.abs(dy) <= DRAG_PX) return;
          drag.current = { x: event.clientX, y: event.clientY, far: true };
          setHover(null);
          stage.pan(dx, dy);
        }}
        onPointerUp={(event) => {
          const held = drag.current;
          drag.current = null;
          if (held === null || held.far) return;
          const [px, py] = local(event);
          const cluster = clusterAt(px, py);
          if (cluster === null) onSelect(null);
          else if (cluster.sites.length === 1) onSelect({ kind: "site", row: cluster.lead });
          else stage.zoom(CLUSTER_STEP, cluster.x, cluster.y);
        }}
        onPointerCancel={() => {
          drag.current = null;
          setHover(null);
        }}
        onPointerLeave={() => setHover(null)}
      />
      {hover && (
        <div className="topology-hover" aria-hidden="true" style={{ left: hover.x + 14, top: hover.y + 14 }}>
          {hover.text}
        </div>
      )}
      {problem !== null && (
        <p role="alert" className="topology-problem">
          {problem}
        </p>
      )}
    </div>
  );
}

function textOf(cluster: Cluster, topology: ReturnType<typeof useLive>["topology"]): string {
  if (cluster.sites.length === 1) return titleOf(topology, { kind: "site", row: cluster.lead });
  return t.map.cluster(count(cluster.sites.length));
}
