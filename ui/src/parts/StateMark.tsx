// A state as colour, glyph and word: the one way in which pages show it.

import { STATE_COUNT, STATE_KEYS, STATES } from "../live/states";
import { count, t } from "../messages";
import { STATE_GLYPHS } from "../topology/glyphs";
import "./state.css";

/** The coloured glyph; the word is the caller's, or `StateBadge`'s. */
export function StateMark({ state }: { readonly state: number }) {
  return (
    <i className="state-mark" data-state={STATE_KEYS[state] ?? "unknown"} aria-hidden="true">
      {STATE_GLYPHS[state]}
    </i>
  );
}

/** Glyph and word. */
export function StateBadge({ state }: { readonly state: number }) {
  return (
    <span className="state-badge">
      <StateMark state={state} /> {t.states[STATE_KEYS[state] ?? "unknown"]}
    </span>
  );
}

/** How many of each state, all that there are; `counts` as the live tables have them. */
export function StateCounts({ counts, row }: { readonly counts: Int32Array; readonly row: number }) {
  return (
    <span className="state-counts">
      {STATES.map((state) => {
        const many = counts[row * STATE_COUNT + state] ?? 0;
        if (many === 0) return null;
        return (
          <span key={state} title={t.states[STATE_KEYS[state]]}>
            {count(many)}
            <StateMark state={state} />
            <span className="visually-hidden"> {t.states[STATE_KEYS[state]]} </span>
          </span>
        );
      })}
    </span>
  );
}
