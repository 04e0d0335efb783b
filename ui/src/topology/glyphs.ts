// The mark of each state, beside its colour: a state is never told by its colour alone.

import { State, type StateCode } from "../live/states";

/** Adds a state's mark, within a square, to the current path. */
export function tracePath(context: Pick<CanvasRenderingContext2D, "moveTo" | "lineTo" | "quadraticCurveTo">, state: StateCode, x: number, y: number, size: number): void {
  const [near, far, middle] = [size * 0.27, size * 0.73, size * 0.5];
  switch (state) {
    case State.READY: // a check mark
      context.moveTo(x + near, y + size * 0.52);
      context.lineTo(x + size * 0.43, y + size * 0.68);
      context.lineTo(x + far, y + size * 0.34);
      return;
    case State.DOWN: // a cross
      context.moveTo(x + near, y + near);
      context.lineTo(x + far, y + far);
      context.moveTo(x + far, y + near);
      context.lineTo(x + near, y + far);
      return;
    case State.DEGRADED: // an exclamation mark
      context.moveTo(x + middle, y + near * 0.8);
      context.lineTo(x + middle, y + size * 0.58);
      context.moveTo(x + middle, y + size * 0.7);
      context.lineTo(x + middle, y + size * 0.8);
      return;
    case State.CORDONED: // a bar
      context.moveTo(x + near, y + middle);
      context.lineTo(x + far, y + middle);
      return;
    case State.UNKNOWN: // a question mark
      context.moveTo(x + size * 0.34, y + size * 0.36);
      context.quadraticCurveTo(x + size * 0.36, y + size * 0.2, x + middle, y + size * 0.2);
      context.quadraticCurveTo(x + size * 0.68, y + size * 0.2, x + size * 0.68, y + size * 0.38);
      context.quadraticCurveTo(x + size * 0.66, y + size * 0.5, x + middle, y + size * 0.58);
      context.moveTo(x + middle, y + size * 0.7);
      context.lineTo(x + middle, y + size * 0.8);
      return;
  }
}

/** The same marks as text, for pages. */
export const STATE_GLYPHS: readonly string[] = ["✓", "!", "×", "?", "–"];
