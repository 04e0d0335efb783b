// The whole in a corner, with a frame around what is in view. It is drawn when places or states have changed, four times a
// second at most, and takes a click.

import { useEffect, useRef } from "react";

import { theme } from "../dashboard/theme";
import { STATE_COUNT, State } from "../live/states";
import { useLive } from "../live/useTopology";
import { t } from "../messages";
import type { Camera } from "./camera";
import type { SlotLayout } from "./layout";
import { type Palette, readPalette } from "./palette";

const WIDTH = 168;
const HEIGHT = 112;
const DRAW_EVERY_MS = 250;

export function Minimap({ layout, camera }: { readonly layout: SlotLayout; readonly camera: Camera }) {
  const live = useLive();
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context) return;
    const { topology } = live;
    const ground = new OffscreenCanvas(WIDTH, HEIGHT);
    const groundContext = ground.getContext("2d");
    let palette: Palette | null = null;
    let seen = -1;
    let drawnAt = -Infinity;
    let drawnVersion = -1;
    const stopTheme = theme.subscribe(() => {
      palette = null;
      drawnVersion = -1;
    });
    let handle = requestAnimationFrame(function loop(now: number) {
      const stale = drawnVersion !== topology.version && now - drawnAt > DRAW_EVERY_MS;
      if (groundContext && (stale || camera.version !== seen) && layout.width > 0) {
        palette ??= readPalette();
        if (stale) {
          drawGround(groundContext, { layout, topology, palette });
          drawnVersion = topology.version;
          drawnAt = now;
        }
        seen = camera.version;
        context.drawImage(ground, 0, 0);
        drawView(context, { layout, camera, palette });
      }
      handle = requestAnimationFrame(loop);
    });
    return () => {
      cancelAnimationFrame(handle);
      stopTheme();
    };
  }, [live, layout, camera]);
  const go = (event: React.PointerEvent<HTMLCanvasElement>) => {
    if (event.buttons === 0) return;
    const box = event.currentTarget.getBoundingClientRect();
    const { scale, left, top } = fitted(layout);
    camera.x = (event.clientX - box.left - left) / scale;
    camera.y = (event.clientY - box.top - top) / scale;
    camera.version += 1;
  };
  return (
    <canvas
      ref={canvas}
      className="minimap"
      width={WIDTH}
      height={HEIGHT}
      role="img"
      aria-label={t.topology.minimap}
      onPointerDown={go}
      onPointerMove={go}
    />
  );
}

type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

function fitted(layout: SlotLayout): { scale: number; left: number; top: number } {
  const scale = Math.min((WIDTH - 8) / layout.width, (HEIGHT - 8) / layout.height);
  return { scale, left: (WIDTH - layout.width * scale) / 2, top: (HEIGHT - layout.height * scale) / 2 };
}

function drawGround(
  context: Context,
  { layout, topology, palette }: { layout: SlotLayout; topology: ReturnType<typeof useLive>["topology"]; palette: Palette },
): void {
  const { scale, left, top } = fitted(layout);
  context.fillStyle = palette.ground;
  context.fillRect(0, 0, WIDTH, HEIGHT);
  const { sites } = topology;
  const troubled = (site: number) =>
    (sites.nodeCounts[site * STATE_COUNT + State.DOWN] as number) > 0 || sites.state[site] === State.DOWN;
  // One colour after the other: changing it for each of ten thousand squares takes longer than drawing them.
  context.fillStyle = palette.region[0];
  for (const box of layout.regionBoxes) {
    context.fillRect(left + box.x * scale, top + box.y * scale, box.width * scale, box.height * scale);
  }
  for (const trouble of [false, true]) {
    context.fillStyle = trouble ? (palette.states[State.DOWN] as string) : palette.siteLine;
    for (const box of layout.regionBoxes) {
      for (const site of box.siteBoxes) {
        if (troubled(site.site) !== trouble) continue;
        const side = Math.max(1, site.width * scale);
        context.fillRect(left + site.x * scale, top + site.y * scale, side, side);
      }
    }
  }
}

function drawView(context: Context, { layout, camera, palette }: { layout: SlotLayout; camera: Camera; palette: Palette }): void {
  const { scale, left, top } = fitted(layout);
  const view = camera.view();
  context.strokeStyle = palette.accent;
  context.lineWidth = 1.5;
  const x = Math.max(1, left + view.x * scale);
  const y = Math.max(1, top + view.y * scale);
  const right = Math.min(WIDTH - 1, left + (view.x + view.width) * scale);
  const bottom = Math.min(HEIGHT - 1, top + (view.y + view.height) * scale);
  context.strokeRect(x, y, Math.max(2, right - x), Math.max(2, bottom - y));
}
