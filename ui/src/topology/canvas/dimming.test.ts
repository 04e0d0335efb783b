import { describe, expect, test } from "vitest";

import { parseExpression } from "../../find/expression";
import { match } from "../../find/match";
import { noRows, regionColumns, siteColumns } from "../../live/samples";
import { Topology } from "../../live/topology";
import { SlotLayout } from "../layout";
import type { Palette } from "../palette";
import { detailAt } from "../renderer";
import { drawSites } from "./boxes";
import { type Frame, inView } from "./frame";
import { drawSiteNames } from "./labels";

/** Empty sites in every state, drawn while one of them is looked for: how strongly each thing was drawn, by site. */
function drawn(scale: number) {
  const topology = new Topology(() => 1);
  const healths = ["READY", "DEGRADED", "DOWN", "UNKNOWN"];
  const rows = ["wanted", ...healths].map((name, ordinal) => ({ id: name, region: "region", ordinal, health: healths[ordinal - 1] ?? "DOWN" }));
  topology.load({ ...noRows(), revision: 1, cursor: "1", regions: regionColumns([{ id: "region" }]), sites: siteColumns(rows) });
  const layout = new SlotLayout(topology);
  const strengths = new Map<string, number[]>();
  const seen = (x: number, y: number) => {
    const row = layout.siteBoxes.findIndex((boxes) =>
      boxes.some((box) => x >= box.x * scale - 0.6 && x <= (box.x + box.width) * scale + 0.6 && y >= box.y * scale - 0.6 && y <= (box.y + box.height) * scale + 0.6),
    );
    const name = topology.sites.names[row] ?? "nothing";
    strengths.set(name, [...(strengths.get(name) ?? []), context.globalAlpha]);
  };
  const context = {
    globalAlpha: 1,
    fillRect: (x: number, y: number) => seen(x, y),
    strokeRect: (x: number, y: number) => seen(x, y),
    fillText: (_: string, x: number, y: number) => seen(x, y),
  };
  const frame = {
    context: context as unknown as CanvasRenderingContext2D,
    topology,
    layout,
    match: match(parseExpression("wanted"), topology),
    palette: { states: ["", "", "", "", ""], region: ["", ""] } as unknown as Palette,
    detail: detailAt(10 * scale),
    scale,
    left: 0,
    top: 0,
    ratio: 1,
    text: { use: () => undefined, fitting: (_: unknown, text: string) => text },
    ...inView(layout, { x: -1e6, y: -1e6, width: 2e6, height: 2e6 }),
  } as unknown as Frame;
  drawSites(frame);
  drawSiteNames(frame);
  expect(context.globalAlpha).toBe(1);
  return strengths;
}

describe.each([0.3, 0.6, 1.6, 5])("sites without nodes, at %f pixels a unit", (scale) => {
  test("step back in each of their parts, in whatever state, while something else is looked for", () => {
    const strengths = drawn(scale);
    expect([...strengths.keys()].sort()).toEqual(["DEGRADED", "DOWN", "READY", "UNKNOWN", "wanted"]);
    for (const [name, alphas] of strengths) {
      if (name === "wanted") expect(Math.min(...alphas)).toBe(1);
      else expect(Math.max(...alphas)).toBeLessThanOrEqual(0.5);
    }
  });
});
