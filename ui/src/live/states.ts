// One small set of states for everything that is drawn: a colour, a glyph and a word each, so that no state is told by
// its colour alone. The API's own words (health of a site, status of a node, an instance, a link) are kept in details;
// a picture of thousands needs few.

/** Codes of the states, as the typed arrays hold them. The order is the one that legends and counts are shown in. */
export const State = { READY: 0, DEGRADED: 1, DOWN: 2, UNKNOWN: 3, CORDONED: 4 } as const;

export type StateCode = (typeof State)[keyof typeof State];

export const STATE_COUNT = 5;

/** The words of the find expression (`state:down`) and keys of the messages, by code. */
export const STATE_KEYS = ["ready", "degraded", "down", "unknown", "cordoned"] as const;

export type StateKey = (typeof STATE_KEYS)[number];

export const STATES: readonly StateCode[] = [0, 1, 2, 3, 4];

/** A site's state: what was last observed, unless it is well and takes no new work. */
export function siteState(health: string, schedulable: boolean): StateCode {
  switch (health) {
    case "READY":
      return schedulable ? State.READY : State.CORDONED;
    case "DEGRADED":
      return State.DEGRADED;
    case "DOWN":
      return State.DOWN;
    default:
      return State.UNKNOWN;
  }
}

/** A node's state. */
export function nodeState(status: string, schedulable: boolean): StateCode {
  switch (status) {
    case "READY":
      return schedulable ? State.READY : State.CORDONED;
    case "NOT_READY":
      return State.DOWN;
    default:
      return State.UNKNOWN;
  }
}

/** An instance's state: what is on its way up or down is degraded. */
export function instanceState(status: string): StateCode {
  switch (status) {
    case "RUNNING":
      return State.READY;
    case "PENDING":
    case "TERMINATING":
      return State.DEGRADED;
    case "FAILED":
      return State.DOWN;
    default:
      return State.UNKNOWN;
  }
}

/** A link's state. */
export function linkState(state: string): StateCode {
  return state === "UP" ? State.READY : State.DOWN;
}
