// Places and view outlast a reload. Both are kept for the tab, so that two of them do not move each other's; the places for
// the browser as well, so that a new tab opens with what one knows. Where the browser keeps nothing (private windows, a full
// or forbidden store) the page works as on its first day.

import type { View } from "./camera";
import { FORM, type KeptLayout } from "./keptLayout";

const PLACES = "edgeatlas.topology.places";
const VIEW = "edgeatlas.topology.view";
/** A layout that is longer is not kept: browsers give a site five million letters in all. Fifty thousand nodes take a tenth. */
const MOST_LETTERS = 2_000_000;

/** What a browser's stores can do; either may be missing. */
export interface Stores {
  readonly tab: Storage | null;
  readonly browser: Storage | null;
}

export class Keeping {
  constructor(private readonly stores: Stores = browserStores()) {}

  /** The places that were kept last, this tab's first. */
  places(): KeptLayout | null {
    for (const store of [this.stores.tab, this.stores.browser]) {
      const found = read(store, PLACES);
      if (isLayout(found)) return found;
    }
    return null;
  }

  /** Where this tab last looked from. */
  view(): View | null {
    const found = read(this.stores.tab, VIEW);
    return isView(found) ? found : null;
  }

  keepPlaces(layout: KeptLayout): void {
    const text = JSON.stringify(layout);
    for (const store of [this.stores.tab, this.stores.browser]) {
      if (text.length <= MOST_LETTERS) write(store, PLACES, text);
      else forget(store, PLACES);
    }
  }

  keepView({ x, y, scale }: View): void {
    write(this.stores.tab, VIEW, JSON.stringify({ x, y, scale }));
  }
}

function browserStores(): Stores {
  return { tab: storeOf(() => sessionStorage), browser: storeOf(() => localStorage) };
}

/** A browser that forbids storage throws when it is only looked at. */
function storeOf(get: () => Storage): Storage | null {
  try {
    return get();
  } catch {
    return null;
  }
}

function read(store: Storage | null, key: string): unknown {
  try {
    const text = store?.getItem(key);
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

function write(store: Storage | null, key: string, text: string): void {
  try {
    store?.setItem(key, text);
  } catch {
    // Full. Places of before are worse than none.
    forget(store, key);
  }
}

function forget(store: Storage | null, key: string): void {
  try {
    store?.removeItem(key);
  } catch {
    // What cannot be written cannot have been kept.
  }
}

function isLayout(value: unknown): value is KeptLayout {
  if (typeof value !== "object" || value === null) return false;
  const { form, regions, sites } = value as Partial<Record<keyof KeptLayout, unknown>>;
  return form === FORM && Array.isArray(regions) && Array.isArray(sites);
}

function isView(value: unknown): value is View {
  if (typeof value !== "object" || value === null) return false;
  const { x, y, scale } = value as Partial<Record<keyof View, unknown>>;
  return [x, y, scale].every(Number.isFinite) && (scale as number) > 0;
}
