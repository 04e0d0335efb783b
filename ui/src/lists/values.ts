// What a cell holds, and how it is written: for the eye, and as text for export, sorting aside (the server sorts).

import { State, type StateCode, instanceState, linkState, nodeState, siteState } from "../live/states";
import { LOCALE } from "../messages";

/** A value out of an answer. */
export type Cell =
  | { readonly is: "text"; readonly text: string }
  | { readonly is: "entity"; readonly id: string; readonly text: string }
  | { readonly is: "state"; readonly state: StateCode; readonly text: string }
  | { readonly is: "number"; readonly value: number; readonly text: string }
  | { readonly is: "time"; readonly iso: string; readonly text: string }
  | { readonly is: "labels"; readonly labels: readonly string[]; readonly text: string }
  | { readonly is: "progress"; readonly done: number; readonly total: number; readonly failed: number; readonly text: string }
  | { readonly is: "none"; readonly text: "" };

/** A row of an answer: what GraphQL sent, not yet looked into. */
export type Row = Readonly<Record<string, unknown>>;

export const NONE: Cell = { is: "none", text: "" };

const number = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 3 });
const time = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

export function text(value: unknown): Cell {
  return typeof value === "string" && value !== "" ? { is: "text", text: value } : NONE;
}

/** A word of an enum, as people write it: `NOT_READY` is `not ready`. */
export function word(value: unknown): Cell {
  return typeof value === "string" ? { is: "text", text: value.toLowerCase().replaceAll("_", " ") } : NONE;
}

export function yesNo(value: unknown, yes: string, no: string): Cell {
  return { is: "text", text: value === true ? yes : no };
}

export function numeric(value: unknown, unit = ""): Cell {
  if (typeof value !== "number") return NONE;
  return { is: "number", value, text: unit === "" ? number.format(value) : `${number.format(value)} ${unit}` };
}

/** Bytes in binary units. */
export function bytes(value: unknown): Cell {
  if (typeof value !== "number") return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  const power = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(value) / 10));
  return { is: "number", value, text: `${number.format(Math.round((value / 2 ** (10 * power)) * 100) / 100)} ${units[power]}` };
}

/** Millicores as cores: in a file too. */
export function cores(value: unknown): Cell {
  return typeof value === "number" ? numeric(value / 1000) : NONE;
}

export function instant(value: unknown): Cell {
  if (typeof value !== "string") return NONE;
  const at = new Date(value);
  return Number.isNaN(at.getTime()) ? NONE : { is: "time", iso: value, text: time.format(at) };
}

/** A related entity: `{ id name }`, or one with other words for its name. */
export function entity(value: unknown, ...names: readonly string[]): Cell {
  if (!isRow(value) || typeof value.id !== "string") return NONE;
  const keys = names.length > 0 ? names : ["displayName", "name", "backendName"];
  const name = keys.map((key) => value[key]).find((each) => typeof each === "string" && each !== "");
  return { is: "entity", id: value.id, text: typeof name === "string" ? name : value.id };
}

/** Who did something: `{ name entity { id } }`; no entity where it is the system, or out of sight. */
export function actor(value: unknown): Cell {
  const name = at(value, "name");
  const id = at(value, "entity", "id");
  return typeof id === "string" && typeof name === "string" ? { is: "entity", id, text: name } : text(name);
}

export function labels(value: unknown): Cell {
  if (!Array.isArray(value) || value.length === 0) return NONE;
  const found = value.flatMap((each) => (isRow(each) ? [`${String(each.key)}=${String(each.value)}`] : []));
  return { is: "labels", labels: found, text: found.join(",") };
}

export function progress(value: unknown): Cell {
  if (!isRow(value)) return NONE;
  const [done, total, failed] = [Number(value.done ?? 0), Number(value.total ?? 0), Number(value.failed ?? 0)];
  return { is: "progress", done, total, failed, text: failed > 0 ? `${done}/${total}, ${failed} failed` : `${done}/${total}` };
}

export function list(value: unknown): Cell {
  return Array.isArray(value) && value.length > 0 ? { is: "text", text: value.map(String).join(", ") } : NONE;
}

function stateCell(state: StateCode, words: unknown): Cell {
  return { is: "state", state, text: typeof words === "string" ? words.toLowerCase().replaceAll("_", " ") : "" };
}

export const states = {
  /** Of a site or a cluster; a waypoint has no state, for nothing runs there. */
  site: (row: Row): Cell => {
    if (row.role === "TRANSIT") return NONE;
    const health = isRow(row.health) ? row.health.status : null;
    const state = siteState(String(health), row.schedulable !== false);
    return stateCell(state, state === State.CORDONED ? "CORDONED" : health);
  },
  node: (row: Row): Cell => {
    const state = nodeState(String(row.status), row.schedulable !== false);
    return stateCell(state, state === State.CORDONED ? "CORDONED" : row.status);
  },
  link: (row: Row): Cell => stateCell(linkState(String(row.state)), row.state),
  instance: (row: Row): Cell => stateCell(instanceState(String(row.status)), row.status),
  phase: (value: unknown): Cell => stateCell(PHASES[String(value)] ?? State.DEGRADED, value),
  operation: (value: unknown): Cell => stateCell(OPERATIONS[String(value)] ?? State.DEGRADED, value),
  event: (value: unknown): Cell => stateCell(value === "NORMAL" ? State.READY : State.DEGRADED, value),
} as const;

/** Phases of deployments and releases that are not on their way. */
const PHASES: Readonly<Record<string, StateCode>> = {
  READY: State.READY,
  FAILED: State.DOWN,
  QUARANTINED: State.DOWN,
  TERMINATED: State.UNKNOWN,
  PAUSED: State.CORDONED,
  STOPPED: State.CORDONED,
};

const OPERATIONS: Readonly<Record<string, StateCode>> = {
  SUCCEEDED: State.READY,
  FAILED: State.DOWN,
  CANCELLED: State.CORDONED,
};

/** A value within an answer: `at(row, "health", "status")`. */
export function at(row: unknown, ...path: readonly string[]): unknown {
  let value: unknown = row;
  for (const name of path) {
    if (!isRow(value)) return undefined;
    value = value[name];
  }
  return value;
}

export function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
