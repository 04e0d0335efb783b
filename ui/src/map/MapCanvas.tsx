// The canvas of the map and the hands on it.

import { useEffect, useRef, useState } from "react";

import { theme } from "../dashboard/theme";
import type { Match } from "../find/match";
import type { Place } from "../live/tables";
import { useLive } from "../live/useTopology";
import { count, t } from "../messages";
import { titleOf } from "../topology/placeText";
import { type Cluster, clusters, radiusOf } from "./clusters";
import { drawClusters, drawEarth, drawMapLinks, drawNames, drawReach, type MapPalette, readMapPalette } from "./draw";
import { type Earth, loadEarth } from "./earth";
import { fitPoints, type MapView, moved, projectAll, wholeEarth, zoomed } from "./projection";

const KEY_STEP_PX = 80;
const ZOOM_STEP = 1.4;
const WHEEL = 0.0016;
const DRAG_PX = 4;
/** While moving, the earth is drawn anew at most so often; in between, the last one is shifted. */
const EARTH_EVERY_MS = 140;

interface MapCanvasProps {
  readonly match: Match | null;
  readonly selected: Place | null;
  readonly reach: readonly string[];
  readonly showLinks: boolean;
  readonly showWaypoints: boolean;
  readonly onSelect: (place: Place | null) => void;
}

export function MapCanvas(props: MapCanvasProps) {
  const { topology } = useLive();
  const canvas = useRef<HTMLCanvasElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const wanted = useRef({ ...props, dirty: true });
  const view = useRef<MapView | null>(null);
  const shown = useRef<readonly Cluster[]>([]);
  const fit = useRef<() => void>(() => undefined);
  const [hover, setHover] = useState<{ readonly text: string; readonly x: number; readonly y: number } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    wanted.current = { ...props, dirty: true };
  });

  useEffect(() => {
    const element = canvas.current;
    const around = frame.current;
    const context = element?.getContext("2d", { alpha: false });
    if (!element || !around || !context) return;
    const still = new OffscreenCanvas(1, 1);
    const stillContext = still.getContext("2d", { alpha: false });
    if (!stillContext) return;
    let earth: Earth | null = null;
    let palette: MapPalette | null = null;
    let drawnEarth: { view: MapView; at: number } | null = null;
    let points: Float64Array = new Float64Array(0);
    let positions = -1;
    let seen = -1;
    let seenView: MapView | null = null;
    let size = { width: 1, height: 1, ratio: 1 };
    let touched = false;
    loadEarth()
      .then((read) => {
        earth = read;
        drawnEarth = null;
        wanted.current.dirty = true;
      })
      .catch((error: unknown) => setProblem(error instanceof Error ? error.message : String(error)));
    fit.current = () => {
      view.current = fitPoints(points, size.width, size.height);
    };
    const resize = new ResizeObserver(() => {
      size = { width: around.clientWidth, height: around.clientHeight, ratio: Math.min(2, devicePixelRatio) };
      for (const each of [element, still]) {
        each.width = Math.max(1, Math.round(size.width * size.ratio));
        each.height = Math.max(1, Math.round(size.height * size.ratio));
      }
      drawnEarth = null;
      wanted.current.dirty = true;
    });
    resize.observe(around);
    const stopTheme = theme.subscribe(() => {
      palette = null;
      drawnEarth = null;
      wanted.current.dirty = true;
    });
    let handle = requestAnimationFrame(function loop(now: number) {
      handle = requestAnimationFrame(loop);
      if (topology.revision === 0 || size.width <= 1) return;
      if (positions !== topology.positionsVersion) {
        positions = topology.positionsVersion;
        points = projectAll(topology.sites.longitude, topology.sites.latitude, topology.sites.limit);
        if (!touched && points.some((value) => !Number.isNaN(value))) {
          touched = true;
          fit.current();
        }
      }
      const want = wanted.current;
      const current = (view.current ??= wholeEarth(size.width, size.height));
      const changed = current !== seenView;
      if (!changed && !want.dirty && topology.version === seen) return;
      want.dirty = false;
      palette ??= readMapPalette();
      const { ratio } = size;
      const due = drawnEarth === null || (drawnEarth.view !== current && (!changed || now - drawnEarth.at > EARTH_EVERY_MS));
      if (due) {
        stillContext.setTransform(ratio, 0, 0, ratio, 0, 0);
        if (earth) drawEarth(stillContext, current, earth, palette);
        else stillContext.clearRect(0, 0, still.width, still.height);
        drawnEarth = { view: current, at: now };
      } else if (drawnEarth && drawnEarth.view !== current) want.dirty = true;
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.fillStyle = palette.sea;
      context.fillRect(0, 0, element.width, element.height);
      const from = drawnEarth?.view ?? current;
      const by = current.scale / from.scale;
      context.drawImage(still, (current.x - from.x * by) * ratio, (current.y - from.y * by) * ratio, still.width * by, still.height * by);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      const found = want.match?.leadingSites ?? null;
      const focus = want.selected?.kind === "site" ? want.selected.row : -1;
      if (want.showLinks) drawMapLinks(context, { topology, points, view: current, found: want.match?.links ?? null, focus, palette });
      shown.current = clusters(topology, points, current, size, { found, waypoints: want.showWaypoints });
      drawClusters(context, shown.current, palette, topology);
      drawNames(context, shown.current, palette, topology);
      const reached = want.reach.map((id) => topology.sites.rowOf(id)).filter((row) => row >= 0);
      drawReach(context, focus >= 0 ? [...reached, focus] : reached, points, current, palette);
      element.dataset.revision = String(topology.revision);
      seen = topology.version;
      seenView = current;
    });
    return () => {
      cancelAnimationFrame(handle);
      resize.disconnect();
      stopTheme();
    };
  }, [topology]);

  const clusterAt = (px: number, py: number): Cluster | null => {
    const at = shown.current.filter((one) => Math.hypot(one.x - px, one.y - py) <= radiusOf(one) + 3);
    return at.sort((a, b) => Math.hypot(a.x - px, a.y - py) - Math.hypot(b.x - px, b.y - py))[0] ?? null;
  };

  const zoom = (factor: number, px?: number, py?: number) => {
    const element = canvas.current;
    if (!element || !view.current) return;
    const { clientWidth: width, clientHeight: height } = element;
    const least = wholeEarth(width, height).scale * 0.8;
    view.current = zoomed(view.current, factor, px ?? width / 2, py ?? height / 2, least);
  };

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      zoom(Math.exp(-event.deltaY * lines * WHEEL), event.clientX - box.left, event.clientY - box.top);
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  });

  const drag = useRef<{ x: number; y: number; far: boolean } | null>(null);
  const pan = (dx: number, dy: number) => {
    if (view.current) view.current = moved(view.current, dx, dy);
  };
  const keys: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => pan(KEY_STEP_PX, 0),
    ArrowRight: () => pan(-KEY_STEP_PX, 0),
    ArrowUp: () => pan(0, KEY_STEP_PX),
    ArrowDown: () => pan(0, -KEY_STEP_PX),
    "+": () => zoom(ZOOM_STEP),
    "=": () => zoom(ZOOM_STEP),
    "-": () => zoom(1 / ZOOM_STEP),
    "0": () => fit.current(),
    Escape: () => props.onSelect(null),
  };
  const local = (event: React.PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top] as const;
  };
  return (
    <div ref={frame} className="topology-frame">
      <canvas
        ref={canvas}
        className="topology-canvas"
        tabIndex={0}
        role="application"
        aria-roledescription={t.map.picture}
        aria-label={`${t.map.picture}. ${t.map.pictureHelp}`}
        onKeyDown={(event) => {
          const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
          if (!act) return;
          event.preventDefault();
          act();
        }}
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
          pan(dx, dy);
        }}
        onPointerUp={(event) => {
          const held = drag.current;
          drag.current = null;
          if (held === null || held.far) return;
          const [px, py] = local(event);
          const cluster = clusterAt(px, py);
          if (cluster === null) props.onSelect(null);
          else if (cluster.sites.length === 1) props.onSelect({ kind: "site", row: cluster.sites[0] as number });
          else zoom(2.2, cluster.x, cluster.y);
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
  const [first] = cluster.sites;
  if (cluster.sites.length === 1 && first !== undefined) return titleOf(topology, { kind: "site", row: first });
  return t.map.cluster(count(cluster.sites.length));
}
