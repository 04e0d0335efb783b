import { describe, expect, it } from "vitest";

import { noRows, nodeColumns, world } from "../live/samples";
import { Topology } from "../live/topology";
import { Keeping } from "./keeping";
import { Stage } from "./stage";

const WORLD = world({ countries: 6, sitesEach: 9, nodesEach: 6 });

function stage(topology = new Topology()): { topology: Topology; stage: Stage } {
  return { topology, stage: new Stage(topology, new Keeping({ tab: null, browser: null })) };
}

/** From where all is seen in a picture of 800 by 600. */
function whole(): { x: number; y: number; scale: number } {
  const { topology, stage: one } = stage();
  topology.load(WORLD);
  one.resize(800, 600);
  one.fit();
  const { x, y, scale } = one.camera;
  return { x, y, scale };
}

describe("the stage", () => {
  it("shows everything at first, whether the graph or the size of the picture comes first", () => {
    const orders = {
      graphFirst: ["graph", "none", "size"],
      sizeFirst: ["none", "size", "graph"],
      graphBeforeAll: ["graph", "stage", "size"],
    };
    for (const order of Object.values(orders)) {
      const topology = new Topology();
      if (order[1] === "stage") topology.load(WORLD);
      const { stage: one } = stage(topology);
      for (const step of order) {
        if (step === "graph" && order[1] !== "stage") topology.load(WORLD);
        // A page that is not laid out yet has no size.
        if (step === "none") one.resize(0, 0);
        if (step === "size") one.resize(800, 600);
      }
      expect(one.camera).toMatchObject(whole());
    }
  });

  it("shows everything once: the view stays when the graph grows, is sent anew, or the picture has another size", () => {
    const { topology, stage: one } = stage();
    one.resize(800, 600);
    topology.load(WORLD);
    one.camera.zoom(3, 100, 100);
    const { x, y, scale } = one.camera;
    const site = WORLD.sites.ids[0] as string;
    topology.apply({
      ...noRows(),
      nodes: nodeColumns([{ id: "node_new", site, ordinal: 500 }]),
      removedIds: [],
      revision: 2,
      follows: 1,
      cursor: "2",
    });
    one.resize(640, 480);
    topology.load({ ...WORLD, revision: 3 });
    expect(one.camera).toMatchObject({ x, y, scale });
  });

  it("follows the graph while no page shows it", () => {
    const { topology, stage: one } = stage();
    topology.load(WORLD);
    const site = WORLD.sites.ids.find((_, row) => topology.sites.transit[row] === 0) as string;
    topology.apply({
      ...noRows(),
      nodes: nodeColumns([{ id: "node_new", site, ordinal: 500 }]),
      removedIds: [],
      revision: 2,
      follows: 1,
      cursor: "2",
    });
    expect(one.layout.nodeX[topology.nodes.rowOf("node_new")]).not.toBeNaN();
  });
});
