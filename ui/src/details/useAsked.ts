// One answer, asked again when the graph has moved, at most every few seconds. A late answer to an old question is dropped.

import { useEffect, useRef, useState } from "react";

import { execute } from "../api/graphql";
import { SignedOut, signInUrl } from "../api/session";

const AGAIN_MS = 3_000;

export interface Asked {
  /** The field `data` of the last good answer; null before the first. */
  readonly data: unknown;
  readonly problem: string | null;
  readonly again: () => void;
}

/** Asks `query` with `variables` (null: not yet); `revision` is that of the live picture. */
export function useAsked(query: string | null, variables: Readonly<Record<string, unknown>>, revision: number): Asked {
  const key = query === null ? "" : JSON.stringify([query, variables]);
  const [state, setState] = useState<{ key: string; data: unknown; problem: string | null }>({ key: "", data: null, problem: null });
  const [turn, setTurn] = useState(0);
  const readAt = useRef(0);
  useEffect(() => {
    if (query === null) return;
    let over = false;
    const wait = state.key === key && turn === 0 ? Math.max(0, readAt.current + AGAIN_MS - performance.now()) : 0;
    const timer = setTimeout(() => {
      readAt.current = performance.now();
      execute({ query, variables })
        .then((answer) => {
          if (over) return;
          const [error] = answer.errors ?? [];
          if (error) setState((before) => ({ key, data: before.key === key ? before.data : null, problem: error.message }));
          else setState({ key, data: answer.data, problem: null });
        })
        .catch((error: unknown) => {
          if (error instanceof SignedOut) location.assign(signInUrl(location.pathname + location.search));
          else if (!over) {
            const problem = error instanceof Error ? error.message : String(error);
            setState((before) => ({ key, data: before.key === key ? before.data : null, problem }));
          }
        })
        .finally(() => {
          if (!over) setTurn(0);
        });
    }, wait);
    return () => {
      over = true;
      clearTimeout(timer);
    };
    // The state is read for the pause only.
  }, [key, revision, turn]);
  return {
    data: state.key === key ? state.data : null,
    problem: state.key === key ? state.problem : null,
    again: () => setTurn((before) => before + 1),
  };
}
