// The part of the world to look at for a thing: itself with something around it.

import type { Place } from "../live/tables";
import type { Topology } from "../live/topology";
import type { Box } from "./boxes";
import { SLOT, type SlotLayout } from "./layout";

export function boxOfPlace(topology: Topology, layout: SlotLayout, place: Place): Box | null {
  switch (place.kind) {
    case "region":
      return around(layout.boxesOfRegion(place.row)[0] ?? null, SLOT);
    case "site":
      return around(layout.boxOf(place.row), SLOT * 2);
    case "node": {
      const [x, y] = [layout.nodeX[place.row] ?? NaN, layout.nodeY[place.row] ?? NaN];
      return Number.isNaN(x) || Number.isNaN(y) ? null : around({ x, y, width: SLOT, height: SLOT }, SLOT * 2);
    }
    case "instance": {
      const node = topology.instances.node[place.row] as number;
      if (node >= 0) return boxOfPlace(topology, layout, { kind: "node", row: node });
      return around(layout.boxOf(topology.instances.site[place.row] as number), SLOT * 2);
    }
    case "link": {
      const ends = [topology.links.from[place.row] as number, topology.links.to[place.row] as number];
      const boxes = ends.map((site) => (site >= 0 ? layout.boxOf(site) : null)).filter((box) => box !== null);
      return around(union(boxes), SLOT * 2);
    }
  }
}

function union(boxes: readonly Box[]): Box | null {
  if (boxes.length === 0) return null;
  const x = Math.min(...boxes.map((box) => box.x));
  const y = Math.min(...boxes.map((box) => box.y));
  const right = Math.max(...boxes.map((box) => box.x + box.width));
  const bottom = Math.max(...boxes.map((box) => box.y + box.height));
  return { x, y, width: right - x, height: bottom - y };
}

function around(box: Box | null, by: number): Box | null {
  return box && { x: box.x - by, y: box.y - by, width: box.width + 2 * by, height: box.height + 2 * by };
}
