// Every word that the pages show, in one place: English now. A page imports `t` and never writes a sentence of its own.
// Words with a number or a name in them are functions.

import { details } from "./en/details";
import { find } from "./en/find";
import { lists } from "./en/lists";
import { map } from "./en/map";
import { playground } from "./en/playground";
import { shell } from "./en/shell";
import { states } from "./en/states";
import { topology } from "./en/topology";

export const t = { shell, states, find, topology, map, lists, details, playground } as const;

/** The language of `t`, for dates, numbers and plurals. */
export const LOCALE = "en";

const whole = new Intl.NumberFormat(LOCALE);

/** A count with its thousands set apart. */
export function count(value: number): string {
  return whole.format(value);
}
