// What a picture that is taken away says of itself: what it shows, at which revision and when, what was looked for, and what
// its colours mean. Whoever is sent it has no page around it to look that up in.

import { STATE_COUNT, STATE_KEYS, STATES, type StateCode } from "../live/states";
import { count, LOCALE, t } from "../messages";

export interface Caption {
  readonly title: string;
  readonly facts: readonly string[];
  readonly states: readonly { readonly state: StateCode; readonly words: string }[];
}

export interface Pictured {
  readonly title: string;
  /** What the states are of: nodes, sites. */
  readonly things: string;
  /** By state code. */
  readonly totals: Int32Array;
  readonly revision: number;
  /** What is looked for; empty for nothing. */
  readonly find: string;
  readonly also?: string;
}

export function captionOf({ title, things, totals, revision, find, also = "" }: Pictured, now: Date): Caption {
  const time = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "long" }).format(now);
  const facts = [t.topology.atRevision(count(revision)), time, find === "" ? "" : t.topology.lookedFor(find), also, things];
  const states = STATES.slice(0, STATE_COUNT).map((state) => ({
    state,
    words: `${t.states[STATE_KEYS[state]]} ${count(totals[state] ?? 0)}`,
  }));
  return { title, facts: facts.filter((each) => each !== ""), states };
}

/** Where pieces of a line are put, from left to right, on as many lines as they need. */
export function flow(
  widths: readonly number[],
  { room, gap }: { readonly room: number; readonly gap: number },
): { readonly places: readonly { readonly x: number; readonly line: number }[]; readonly lines: number } {
  let [x, line] = [0, 0];
  const places = widths.map((width) => {
    if (x > 0 && x + width > room) [x, line] = [0, line + 1];
    const place = { x, line };
    x += width + gap;
    return place;
  });
  return { places, lines: widths.length === 0 ? 0 : line + 1 };
}
