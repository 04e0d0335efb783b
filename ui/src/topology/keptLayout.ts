// A layout as it is kept while the page is away. Nodes are told by their site and ordinal, which the server never gives
// twice, so a site is a few numbers however many nodes it has; everything else by its id, so places kept of another graph
// are of no use to this one and are seen to be.

import type { KeptShelves } from "./boxes";

/** The form in which layouts are kept, with the sizes that they were made of: one of another form is left alone. */
export const FORM = "1 10 3 11 30";

export interface KeptLayout {
  readonly form: string;
  readonly world: KeptShelves;
  readonly regions: readonly KeptRegion[];
  readonly sites: readonly KeptSite[];
}

/** A box of a region. */
export interface KeptRegion {
  readonly id: string;
  /** The region that it is part of; empty for none. */
  readonly parent: string;
  readonly at: readonly [depth: number, x: number, y: number, width: number, height: number, roomX: number, roomY: number];
  readonly room: KeptShelves;
}

/** A box of a site. */
export interface KeptSite {
  readonly id: string;
  readonly at: readonly [regionBox: number, x: number, y: number, width: number, height: number, columns: number];
  /** Slots that are taken: first slot, how many, ordinal of the node in the first; the others' follow. */
  readonly runs: readonly number[];
}

/** Ordinals by slot, -1 where it is free, as runs. */
export function runsOf(ordinals: readonly number[]): number[] {
  const runs: number[] = [];
  for (let slot = 0; slot < ordinals.length; ) {
    const first = ordinals[slot] as number;
    if (first < 0) {
      slot += 1;
      continue;
    }
    let many = 1;
    while (ordinals[slot + many] === first + many) many += 1;
    runs.push(slot, many, first);
    slot += many;
  }
  return runs;
}

/** Slots and the ordinals in them. */
export function* slotsOf(runs: readonly number[]): Generator<readonly [slot: number, ordinal: number]> {
  for (let at = 0; at + 2 < runs.length; at += 3) {
    const [slot = 0, many = 0, first = 0] = runs.slice(at, at + 3);
    for (let each = 0; each < many; each += 1) yield [slot + each, first + each];
  }
}
