// What is open in the tree and how far it is scrolled, apart from the page that shows it: it is the same tree beside the
// topology and beside the map, and as one left it after a look at another page.

import type { Live } from "../live/useTopology";

export interface TreeMemory {
  /** Ids of what is open; null before anything was opened or closed, when the outermost regions are. */
  open: ReadonlySet<string> | null;
  /** Regions that were closed by hand while something is looked for. */
  closed: ReadonlySet<string>;
  scroll: number;
}

const memories = new WeakMap<Live, TreeMemory>();

export function treeMemoryOf(live: Live): TreeMemory {
  let memory = memories.get(live);
  if (memory === undefined) {
    memory = { open: null, closed: new Set(), scroll: 0 };
    memories.set(live, memory);
  }
  return memory;
}
