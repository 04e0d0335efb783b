// The find expression: one line that says what to show, the same for the topology, the map, the tree and the tables, and
// part of the address. Words must all hold; a word with a minus in front must not.
//
//   paris              a name, or part of one
//   "edge site"        with a space in it
//   kind:node          of that kind
//   state:down         in that state
//   site:paris         that site, and what is in it
//   region:france      that region, and what is in it
//   tier:metro  role:transit  arch:arm64
//   zone=west  label=zone=west  label=zone     with that label
//   within:3hops  within:10ms     and all sites so near to those that the rest finds
//   -state:ready       and not that

import { STATE_KEYS } from "../live/states";

export const KIND_WORDS = ["region", "site", "node", "link", "instance"] as const;
export type KindWord = (typeof KIND_WORDS)[number];

const FIELDS = ["kind", "state", "site", "region", "tier", "role", "arch", "within", "label"] as const;
export type Field = (typeof FIELDS)[number];

/** One word of an expression. */
export type Term =
  | { readonly field: "text" | "site" | "region" | "tier" | "role" | "arch"; readonly value: string; readonly not: boolean }
  | { readonly field: "kind"; readonly value: KindWord; readonly not: boolean }
  | { readonly field: "state"; readonly value: number; readonly not: boolean }
  | { readonly field: "label"; readonly key: string; readonly value: string | null; readonly not: boolean };

/** How far around what is found to look as well. */
export interface Within {
  readonly unit: "hops" | "ms";
  readonly distance: number;
}

export interface Expression {
  readonly terms: readonly Term[];
  readonly within: Within | null;
  /** Words that mean nothing, and why; they are left out of what is looked for. */
  readonly problems: readonly Problem[];
}

export interface Problem {
  readonly word: string;
  readonly reason: "unknown-kind" | "unknown-state" | "bad-within" | "not-within" | "empty";
}

/** An expression that everything matches. */
export const EVERYTHING: Expression = { terms: [], within: null, problems: [] };

const WITHIN = /^(\d{1,5}(?:\.\d{1,3})?)(hops?|ms)$/;

/** Reads an expression; it never fails, what cannot be read is told in `problems`. */
export function parseExpression(text: string): Expression {
  const terms: Term[] = [];
  const problems: Problem[] = [];
  let within: Within | null = null;
  for (const word of wordsOf(text)) {
    const not = word.raw.startsWith("-") && word.raw.length > 1;
    const body = not ? word.raw.slice(1) : word.raw;
    const problem = (reason: Problem["reason"]) => problems.push({ word: word.raw, reason });
    const [, name, rest] = /^([a-z]+)[:]([^]*)$/.exec(body) ?? [];
    const label = /^(?:label=)?([^=:\s]+)(?:=([^=]*))?$/.exec(body);
    if (!word.quoted && name !== undefined && isField(name) && name !== "label") {
      const value = unquoted(rest ?? "").toLowerCase();
      if (value === "") problem("empty");
      else if (name === "within") {
        const found = WITHIN.exec(value);
        if (not) problem("not-within");
        else if (!found) problem("bad-within");
        else within = { unit: found[2] === "ms" ? "ms" : "hops", distance: Number(found[1]) };
      } else if (name === "kind") {
        const kind = KIND_WORDS.find((each) => each === value || `${each}s` === value);
        if (kind) terms.push({ field: "kind", value: kind, not });
        else problem("unknown-kind");
      } else if (name === "state") {
        const state = STATE_KEYS.findIndex((key) => key === value);
        if (state >= 0) terms.push({ field: "state", value: state, not });
        else problem("unknown-state");
      } else terms.push({ field: name, value, not });
    } else if (!word.quoted && label && body.includes("=")) {
      const [, key = "", value] = label;
      terms.push({ field: "label", key, value: value ?? null, not });
    } else {
      const value = unquoted(body).toLowerCase();
      if (value !== "") terms.push({ field: "text", value, not });
    }
  }
  return { terms, within, problems };
}

/** An expression with a word more, or without it when it has it: what a click on a state in a legend does. */
export function toggled(text: string, word: string): string {
  const words = wordsOf(text).map((each) => each.raw);
  const kept = words.filter((each) => each !== word);
  return (kept.length < words.length ? kept : [...words, word]).join(" ");
}

/** A name as a word of an expression. */
export function quoted(value: string): string {
  return /[\s"]/.test(value) ? `"${value.replaceAll('"', "")}"` : value;
}

interface Word {
  readonly raw: string;
  /** Whether the whole word stood in quotes, so that a colon in it means nothing. */
  readonly quoted: boolean;
}

function wordsOf(text: string): Word[] {
  return [...text.matchAll(/-?"[^"]*"?|(?:[^\s"]|"[^"]*"?)+/g)].map(([raw]) => ({ raw, quoted: /^-?"/.test(raw) }));
}

function unquoted(value: string): string {
  return value.replaceAll('"', "").trim();
}

function isField(name: string): name is Field {
  return (FIELDS as readonly string[]).includes(name);
}
