// How far sites are from some others, over links that are up: by hops (breadth first) or by latency (Dijkstra's algorithm
// with a binary heap).

import { State } from "../live/states";
import type { Topology } from "../live/topology";
import type { Within } from "./expression";

/** 1 for each site within the distance of any site of `from`, these included. */
export function within(topology: Topology, from: Uint8Array, { unit, distance }: Within): Uint8Array {
  const { sites, links } = topology;
  const neighbours = new Array<number[] | undefined>(sites.limit);
  for (let row = 0; row < links.limit; row += 1) {
    const [a, b] = [links.from[row] as number, links.to[row] as number];
    if (!links.has(row) || links.state[row] === State.DOWN || a < 0 || b < 0) continue;
    (neighbours[a] ??= []).push(row);
    (neighbours[b] ??= []).push(row);
  }
  const best = new Float64Array(sites.limit).fill(Infinity);
  const queue = new Heap();
  for (let row = 0; row < sites.limit; row += 1) {
    if (from[row] !== 1) continue;
    best[row] = 0;
    queue.push(0, row);
  }
  for (let next = queue.pop(); next !== null; next = queue.pop()) {
    if (next.distance > (best[next.row] as number)) continue;
    for (const link of neighbours[next.row] ?? []) {
      const other = links.from[link] === next.row ? (links.to[link] as number) : (links.from[link] as number);
      const far = next.distance + (unit === "hops" ? 1 : (links.latencyMs[link] as number));
      if (far > distance || far >= (best[other] as number)) continue;
      best[other] = far;
      queue.push(far, other);
    }
  }
  return Uint8Array.from(best, (far) => (far <= distance ? 1 : 0));
}

class Heap {
  private readonly items: { distance: number; row: number }[] = [];

  push(distance: number, row: number): void {
    const { items } = this;
    let at = items.length;
    items.push({ distance, row });
    while (at > 0) {
      const above = (at - 1) >> 1;
      if ((items[above]?.distance ?? 0) <= distance) break;
      this.swap(at, above);
      at = above;
    }
  }

  pop(): { distance: number; row: number } | null {
    const { items } = this;
    const first = items[0];
    const last = items.pop();
    if (first === undefined || last === undefined) return null;
    if (items.length === 0) return first;
    items[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      const right = left + 1;
      let least = at;
      if (left < items.length && this.key(left) < this.key(least)) least = left;
      if (right < items.length && this.key(right) < this.key(least)) least = right;
      if (least === at) return first;
      this.swap(at, least);
      at = least;
    }
  }

  private key(index: number): number {
    return this.items[index]?.distance ?? Infinity;
  }

  private swap(a: number, b: number): void {
    const [x, y] = [this.items[a], this.items[b]];
    if (x === undefined || y === undefined) return;
    this.items[a] = y;
    this.items[b] = x;
  }
}
