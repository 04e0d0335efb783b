// What the keys of a picture do. A key with Ctrl, Meta or Alt is the browser's or a reader's, and is left to them.

import type { KeyboardEvent } from "react";

export type Keys = Readonly<Record<string, () => void>>;

/** Does what a key stands for, by `KeyboardEvent.key`; others go on to whoever else listens. */
export function pressed(event: KeyboardEvent, keys: Keys): void {
  const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}
