// What is looked for now, from the address, and what it finds in the live picture. One search a page, shared by its canvas,
// its tree and its counts.

import { useMemo, useRef, useSyncExternalStore } from "react";

import { FIND } from "../dashboard/routes";
import { useQueryState } from "../dashboard/useQueryState";
import { useLive } from "../live/useTopology";
import { type Expression, parseExpression } from "./expression";
import { match, type Match } from "./match";

/** A search over the whole picture is repeated at most so often while it changes, and takes at most a twentieth of the time. */
const REPEAT_AFTER_MS = 500;
const SHARE = 20;

export interface Find {
  readonly text: string;
  readonly expression: Expression;
  /** What is found; null while nothing is looked for. */
  readonly match: Match | null;
  readonly setText: (text: string) => void;
}

interface Done {
  readonly text: string;
  readonly version: number;
  readonly structure: number;
  readonly at: number;
  readonly took: number;
  readonly match: Match | null;
}

export function useFind(): Find {
  const live = useLive();
  const { topology } = live;
  const [text, setText] = useQueryState(FIND);
  const expression = useMemo(() => parseExpression(text), [text]);
  // While nothing is looked for, changes are no reason to look again.
  const idle = expression.terms.length === 0 && expression.within === null;
  useSyncExternalStore(live.subscribe, idle ? () => topology.structureVersion : live.now);
  const done = useRef<Done | null>(null);
  const last = done.current;
  const now = performance.now();
  const old =
    last === null ||
    last.text !== text ||
    last.structure !== topology.structureVersion ||
    (last.version !== topology.version && now - last.at > Math.max(REPEAT_AFTER_MS, last.took * SHARE));
  if (old) {
    const found = match(expression, topology);
    done.current = {
      text,
      version: topology.version,
      structure: topology.structureVersion,
      at: now,
      took: performance.now() - now,
      match: found,
    };
  }
  return { text, expression, match: done.current?.match ?? null, setText };
}
