// Asking for something to be done, once: what is refused is told in the server's words.

import { useState } from "react";

import { execute } from "../api/graphql";
import { SignedOut, signInUrl } from "../api/session";
import { at, isRow, type Row } from "../lists/values";
import { rowsOf } from "./rows";

/** What came of asking: words, and the reasons one by one. */
export interface Told {
  readonly message: string;
  readonly reasons: readonly Row[];
}

export interface Sent {
  readonly busy: boolean;
  /** Why nothing was done; null: it was, or nothing was asked for yet. */
  readonly told: Told | null;
  /** Sends `query`, whose answer is in `field`; `done` is given that when it was done. */
  readonly send: (query: string, field: string, variables: Readonly<Record<string, unknown>>, done: (result: unknown) => void) => Promise<void>;
}

export function useSent(): Sent {
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<Told | null>(null);
  const send: Sent["send"] = async (query, field, variables, done) => {
    setBusy(true);
    setTold(null);
    try {
      const answer = await execute({ query, variables });
      const [error] = answer.errors ?? [];
      const result = at(answer.data, field);
      if (error) setTold({ message: error.message, reasons: [] });
      else if (isRow(result) && typeof result.message === "string") {
        setTold({ message: [result.message, result.remedy].filter(Boolean).join(": "), reasons: rowsOf(result.reasons) });
      } else done(result);
    } catch (error) {
      if (error instanceof SignedOut) location.assign(signInUrl(location.pathname + location.search));
      else setTold({ message: error instanceof Error ? error.message : String(error), reasons: [] });
    } finally {
      setBusy(false);
    }
  };
  return { busy, told, send };
}

/** Not `randomUUID`, which a page that came over plain HTTP has not. */
export function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
