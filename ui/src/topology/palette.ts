// The colours of a canvas: the page's tokens, read once a theme.

import { colour } from "../dashboard/theme";
import { STATE_KEYS } from "../live/states";

export interface Palette {
  readonly ground: string;
  readonly region: readonly [string, string];
  readonly regionLine: string;
  readonly site: string;
  readonly siteLine: string;
  readonly transit: string;
  readonly text: string;
  readonly quiet: string;
  readonly link: string;
  readonly linkStrong: string;
  readonly accent: string;
  readonly onState: string;
  /** By state code. */
  readonly states: readonly string[];
  readonly font: string;
}

export function readPalette(): Palette {
  return {
    ground: colour("--ground"),
    region: [colour("--region"), colour("--ground")],
    regionLine: colour("--region-line"),
    site: colour("--site"),
    siteLine: colour("--site-line"),
    transit: colour("--transit"),
    text: colour("--text"),
    quiet: colour("--quiet"),
    link: colour("--link"),
    linkStrong: colour("--link-strong"),
    accent: colour("--focus"),
    onState: colour("--on-state"),
    states: STATE_KEYS.map((key) => colour(`--state-${key}`)),
    font: getComputedStyle(document.body).fontFamily,
  };
}
