import { describe, expect, it } from "vitest";

import { projectAll } from "./projection";
import { MapStage } from "./stage";

const POINTS = projectAll(new Float64Array([5, 15, NaN]), new Float64Array([45, 55, NaN]), 3);

function stage(): MapStage {
  const made = new MapStage();
  made.resize(800, 600);
  made.lookFirst(POINTS);
  return made;
}

describe("the map's view", () => {
  it("shows all sites at first, once there are any and a size", () => {
    const late = new MapStage();
    late.lookFirst(POINTS);
    late.resize(0, 0);
    late.lookFirst(POINTS);
    late.resize(800, 600);
    late.lookFirst(new Float64Array([NaN, NaN]));
    late.lookFirst(POINTS);
    expect(late.view).toEqual(stage().view);
    const [x, y] = [(POINTS[0] as number) * late.view.scale + late.view.x, (POINTS[1] as number) * late.view.scale + late.view.y];
    expect(x > 0 && x < 800 && y > 0 && y < 600).toBe(true);
  });

  it("stays when sites come, and while no page shows it", () => {
    const one = stage();
    one.zoom(3, 200, 100);
    one.pan(30, 20);
    const { view } = one;
    one.resize(0, 0);
    one.resize(800, 600);
    one.lookFirst(projectAll(new Float64Array([100]), new Float64Array([10]), 1));
    expect(one.view).toEqual(view);
  });

  it("comes as near to one site as its neighbours are seen, no nearer; and all of a region are seen", () => {
    const one = stage();
    const { scale } = one.view;
    one.show(POINTS.slice(0, 2));
    expect(one.view.scale).toBeGreaterThan(scale);
    expect(one.view.scale).toBeLessThan(10_000);
    expect((POINTS[0] as number) * one.view.scale + one.view.x).toBeCloseTo(400);
    expect((POINTS[1] as number) * one.view.scale + one.view.y).toBeCloseTo(300);
    one.zoom(3);
    const near = one.view.scale;
    one.show(POINTS.slice(2, 4));
    expect(one.view.scale).toBeCloseTo(near);
    one.show(POINTS);
    expect(one.view.scale).toBeCloseTo(scale);
  });

  it("has in its middle what it had there when its size is another", () => {
    const one = stage();
    const { view } = one;
    one.resize(1000, 500);
    expect((500 - one.view.x) / one.view.scale).toBeCloseTo((400 - view.x) / view.scale);
    expect((250 - one.view.y) / one.view.scale).toBeCloseTo((300 - view.y) / view.scale);
  });
});
