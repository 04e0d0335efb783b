// The states with their counts over the whole, each a switch of the find expression.

import { ToggleButton } from "react-aria-components";

import { toggled } from "../find/expression";
import type { Find } from "../find/useFind";
import { STATE_KEYS, STATES } from "../live/states";
import { useTopology } from "../live/useTopology";
import { count, t } from "../messages";
import { StateMark } from "../parts/StateMark";

export function Legend({ find }: { readonly find: Find }) {
  const { topology } = useTopology();
  return (
    <div className="legend" role="group" aria-label={t.topology.legend}>
      {STATES.map((state) => {
        const key = STATE_KEYS[state];
        const many = count(topology.nodeTotals[state] ?? 0);
        const word = `state:${key}`;
        return (
          <ToggleButton
            key={key}
            className="legend-state"
            aria-label={t.topology.onlyState(t.states[key], many)}
            isSelected={find.text.split(/\s+/).includes(word)}
            onChange={() => find.setText(toggled(find.text, word))}
          >
            <StateMark state={state} /> {t.states[key]} <b>{many}</b>
          </ToggleButton>
        );
      })}
    </div>
  );
}
