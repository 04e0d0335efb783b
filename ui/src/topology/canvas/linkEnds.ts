// Where links begin and end, and which regions they join, worked out when links or places change and not in each frame:
// thousands of links are drawn a few times a second, and most of them are nowhere in view.

import { State } from "../../live/states";
import type { Topology } from "../../live/topology";
import type { SlotLayout } from "../layout";

/** Links of a pair of regions. */
export interface Bundle {
  readonly from: number;
  readonly to: number;
  /** The links' rows. */
  readonly rows: number[];
  down: number;
}

export class LinkEnds {
  /** World coordinates by link row: x and y of one end, x and y of the other. NaN where an end has no place. */
  ends = new Float32Array(0);
  bundles: readonly Bundle[] = [];
  /** World coordinates by region row of the middle of its own sites, what is in regions within it apart; NaN without any. */
  middles = new Float32Array(0);

  private of: Topology | null = null;
  private links = -1;
  private structure = -1;
  private layout = -1;

  /** Brings it to what the picture shows now. */
  refresh(topology: Topology, layout: SlotLayout): void {
    const other = this.of !== topology || this.links !== topology.linksVersion || this.structure !== topology.structureVersion;
    if (other) this.bundles = bundle(topology);
    if (other || this.layout !== layout.version) this.place(topology, layout);
    this.of = topology;
    this.links = topology.linksVersion;
    this.structure = topology.structureVersion;
    this.layout = layout.version;
  }

  private place({ links }: Topology, layout: SlotLayout): void {
    const { limit } = links;
    if (this.ends.length < limit * 4) this.ends = new Float32Array(limit * 4);
    this.ends.fill(NaN);
    for (let row = 0; row < limit; row += 1) {
      if (!links.has(row)) continue;
      this.end(row * 4, links.from[row] as number, layout);
      this.end(row * 4 + 2, links.to[row] as number, layout);
    }
    this.middles = middlesOf(layout);
  }

  private end(at: number, site: number, layout: SlotLayout): void {
    const box = site >= 0 ? layout.boxOf(site) : null;
    if (box === null) return;
    this.ends[at] = box.x + box.width / 2;
    this.ends[at + 1] = box.y + box.height / 2;
  }
}

function middlesOf(layout: SlotLayout): Float32Array<ArrayBuffer> {
  const middles = new Float32Array(layout.regionBoxes.reduce((most, box) => Math.max(most, box.region + 1), 0) * 2).fill(NaN);
  for (const { region, part, siteBoxes } of layout.regionBoxes) {
    if (part > 0 || siteBoxes.length === 0) continue;
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const box of siteBoxes) {
      [left, top] = [Math.min(left, box.x), Math.min(top, box.y)];
      [right, bottom] = [Math.max(right, box.x + box.width), Math.max(bottom, box.y + box.height)];
    }
    middles[region * 2] = (left + right) / 2;
    middles[region * 2 + 1] = (top + bottom) / 2;
  }
  return middles;
}

/** Joins links by the regions of their ends; links within a region are not among them. */
export function bundle({ links, sites, regions }: Topology): Bundle[] {
  const found = new Map<number, Bundle>();
  const many = regions.limit + 1;
  for (let row = 0; row < links.limit; row += 1) {
    const [a, b] = [links.from[row] as number, links.to[row] as number];
    if (!links.has(row) || a < 0 || b < 0) continue;
    const [one, other] = [sites.region[a] as number, sites.region[b] as number];
    const [first, second] = [Math.min(one, other), Math.max(one, other)];
    if (first < 0 || first === second) continue;
    const key = first * many + second;
    let joined = found.get(key);
    if (joined === undefined) {
      joined = { from: first, to: second, rows: [], down: 0 };
      found.set(key, joined);
    }
    joined.rows.push(row);
    if (links.state[row] === State.DOWN) joined.down += 1;
  }
  return [...found.values()];
}
