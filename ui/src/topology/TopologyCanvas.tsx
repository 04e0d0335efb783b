// The canvas and the hands on it. Drawing goes by animation frames and by what has changed; React is asked only when
// something was selected or pointed at.

import { useEffect, useImperativeHandle, useRef, useState, type Ref } from "react";

import { theme } from "../dashboard/theme";
import type { Match } from "../find/match";
import { useLive } from "../live/useTopology";
import type { Place } from "../live/tables";
import { t } from "../messages";
import { type Keys, pressed } from "../parts/keys";
import type { Camera } from "./camera";
import type { Caption } from "./caption";
import { CanvasRenderer } from "./canvas/CanvasRenderer";
import type { SlotLayout } from "./layout";
import { Minimap } from "./Minimap";
import { titleOf } from "./placeText";
import type { Scene } from "./renderer";
import { stageOf } from "./stage";

const KEY_STEP_PX = 80;
const ZOOM_STEP = 1.3;
const WHEEL = 0.0016;
/** The camera counts as moving for so long after its last move. */
const MOVING_MS = 140;
const DRAG_PX = 4;
/** Places are kept so often while they change, and the view; and when the page goes. */
const KEEP_EVERY_MS = 5_000;

/** What the page does with its picture. */
export interface CanvasHandle {
  fit(): void;
  zoom(factor: number): void;
  show(place: Place): void;
  /** Lays everything out anew, and shows it. */
  arrange(): void;
  toPng(caption: Caption): Promise<Blob>;
}

interface CanvasProps {
  readonly match: Match | null;
  readonly selected: Place | null;
  readonly onSelect: (place: Place | null) => void;
  readonly ref?: Ref<CanvasHandle>;
}

/** The picture's inner parts, for programs that look at the page (`canvas.picture`). */
export interface PictureElement extends HTMLCanvasElement {
  picture?: { readonly layout: SlotLayout; readonly camera: Camera; readonly topology: Scene["topology"] };
}

export function TopologyCanvas({ match, selected, onSelect, ref }: CanvasProps) {
  const live = useLive();
  const { topology } = live;
  const canvas = useRef<PictureElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const stage = stageOf(live);
  const { layout, camera } = stage;
  const renderer = useRef<CanvasRenderer | null>(null);
  const movedAt = useRef(-Infinity);
  const wanted = useRef({ match, selected, hovered: null as Place | null, dirty: true });
  const [hover, setHover] = useState<{ readonly text: string; readonly x: number; readonly y: number } | null>(null);
  const select = useRef(onSelect);

  useEffect(() => {
    Object.assign(wanted.current, { match, selected, dirty: true });
  }, [match, selected]);
  useEffect(() => {
    select.current = onSelect;
  }, [onSelect]);

  useEffect(() => {
    const element = canvas.current;
    const around = frame.current;
    if (!element || !around) return;
    const drawing = new CanvasRenderer(element);
    renderer.current = drawing;
    element.picture = { layout, camera, topology };
    const motion = matchMedia("(prefers-reduced-motion: reduce)");
    const keepTimer = setInterval(() => stage.keep(), KEEP_EVERY_MS);
    const resize = new ResizeObserver(() => {
      stage.resize(around.clientWidth, around.clientHeight);
      drawing.resize(around.clientWidth, around.clientHeight, Math.min(2, devicePixelRatio));
      wanted.current.dirty = true;
    });
    resize.observe(around);
    const stopTheme = theme.subscribe(() => {
      drawing.restyle();
      wanted.current.dirty = true;
    });
    let seen = { version: -1, camera: -1, again: false };
    let drawn = false;
    let handle = requestAnimationFrame(function loop(now: number) {
      const want = wanted.current;
      const cameraMoved = camera.version !== seen.camera;
      if (cameraMoved) movedAt.current = now;
      if (cameraMoved || want.dirty || topology.version !== seen.version || seen.again) {
        want.dirty = false;
        const moving = now - movedAt.current < MOVING_MS;
        const scene = { topology, layout, match: want.match, selected: want.selected, hovered: want.hovered, motion: !motion.matches };
        seen = { version: topology.version, camera: camera.version, again: drawing.draw(scene, camera, performance.now(), moving) };
        if (topology.revision > 0) {
          element.dataset.revision = String(drawing.shownRevision);
          if (!drawn) performance.mark("topology-first-picture");
          drawn = true;
        }
      }
      handle = requestAnimationFrame(loop);
    });
    return () => {
      cancelAnimationFrame(handle);
      clearInterval(keepTimer);
      stage.keep();
      stopTheme();
      resize.disconnect();
      drawing.dispose();
      renderer.current = null;
    };
  }, [topology, stage, layout, camera]);

  useImperativeHandle(ref, () => ({
    fit: () => stage.fit(),
    zoom: (factor) => camera.zoom(factor),
    show: (place) => stage.show(place),
    arrange: () => stage.arrange(),
    toPng: (caption) => renderer.current?.toPng(caption) ?? Promise.reject(new Error(t.topology.empty)),
  }));

  // Once, not after each render: what is being dragged must outlast the changes that come in meanwhile.
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const pick = (px: number, py: number) => {
      const scene = { topology, layout, match: null, selected: null, hovered: null, motion: false };
      return renderer.current?.pick(scene, camera, px, py) ?? null;
    };
    let drag: { x: number; y: number; far: boolean } | null = null;
    const place = (event: PointerEvent) => {
      const box = element.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top] as const;
    };
    const point = (next: Place | null, px: number, py: number) => {
      const before = wanted.current.hovered;
      if (next?.kind === before?.kind && next?.row === before?.row) return;
      Object.assign(wanted.current, { hovered: next, dirty: true });
      setHover(next === null ? null : { text: titleOf(topology, next), x: px, y: py });
    };
    const down = (event: PointerEvent) => {
      if (event.button !== 0) return;
      drag = { x: event.clientX, y: event.clientY, far: false };
      element.setPointerCapture(event.pointerId);
    };
    const move = (event: PointerEvent) => {
      const [px, py] = place(event);
      if (drag === null) return point(pick(px, py), px, py);
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      if (!drag.far && Math.abs(dx) + Math.abs(dy) <= DRAG_PX) return;
      drag = { x: event.clientX, y: event.clientY, far: true };
      camera.pan(dx, dy);
      point(null, px, py);
    };
    const up = (event: PointerEvent) => {
      if (drag !== null && !drag.far) select.current(pick(...place(event)));
      drag = null;
    };
    const leave = () => point(null, 0, 0);
    const cancel = () => {
      drag = null;
      leave();
    };
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      camera.zoom(Math.exp(-event.deltaY * lines * WHEEL), event.clientX - box.left, event.clientY - box.top);
    };
    element.addEventListener("pointerdown", down);
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", up);
    element.addEventListener("pointercancel", cancel);
    element.addEventListener("pointerleave", leave);
    // Not passive: the page must not scroll or zoom as well.
    element.addEventListener("wheel", wheel, { passive: false });
    return () => {
      element.removeEventListener("pointerdown", down);
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerup", up);
      element.removeEventListener("pointercancel", cancel);
      element.removeEventListener("pointerleave", leave);
      element.removeEventListener("wheel", wheel);
    };
  }, [topology, layout, camera]);

  const keys: Keys = {
    ArrowLeft: () => camera.pan(KEY_STEP_PX, 0),
    ArrowRight: () => camera.pan(-KEY_STEP_PX, 0),
    ArrowUp: () => camera.pan(0, KEY_STEP_PX),
    ArrowDown: () => camera.pan(0, -KEY_STEP_PX),
    "+": () => camera.zoom(ZOOM_STEP),
    "=": () => camera.zoom(ZOOM_STEP),
    "-": () => camera.zoom(1 / ZOOM_STEP),
    "0": () => stage.fit(),
    Escape: () => onSelect(null),
  };
  return (
    <div ref={frame} className="topology-frame">
      <canvas
        ref={canvas}
        className="topology-canvas"
        tabIndex={0}
        role="application"
        aria-roledescription={t.topology.canvas}
        aria-label={`${t.topology.canvas}. ${t.topology.canvasHelp}`}
        onKeyDown={(event) => pressed(event, keys)}
      />
      {hover && (
        <div className="topology-hover" aria-hidden="true" style={{ left: hover.x + 14, top: hover.y + 14 }}>
          {hover.text}
        </div>
      )}
      <Minimap layout={layout} camera={camera} />
    </div>
  );
}
