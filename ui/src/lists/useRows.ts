// The rows of a list, page by page as one scrolls. A new question forgets the old rows at once and its late answers too.

import { useCallback, useEffect, useRef, useState } from "react";

import { execute } from "../api/graphql";
import { SignedOut, signInUrl } from "../api/session";
import { countDocument, listDocument, orderBy, type Sort } from "./document";
import type { Column, Kind } from "./columns";
import { at, isRow, type Row } from "./values";

const PAGE = 100;
/** A list of so few rows is read again by itself while the graph moves. */
const KEPT_CURRENT = 200;
const AGAIN_MS = 5_000;

export interface Question {
  readonly kind: Kind;
  readonly columns: readonly Column[];
  readonly filter: Readonly<Record<string, unknown>> | null;
  readonly sort: Sort | null;
}

export interface Rows {
  readonly rows: readonly Row[];
  readonly total: number | null;
  readonly more: boolean;
  readonly loading: boolean;
  readonly problem: string | null;
  readonly loadMore: () => void;
  readonly again: () => void;
}

interface Page {
  readonly rows: readonly Row[];
  readonly more: boolean;
  readonly cursor: string | null;
}

export function useRows(question: Question, revision: number): Rows {
  const key = JSON.stringify([question.kind.field, question.columns.map((column) => column.key), question.filter, question.sort]);
  const [state, setState] = useState<Page & { readonly key: string }>({ key: "", rows: [], more: true, cursor: null });
  const [total, setTotal] = useState<number | null>(null);
  const [loading, setLoading] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const current = useRef({ key, question, busy: false, readAt: 0, readRevision: 0 });
  current.current.question = question;

  const load = useCallback(async (from: Page | null, first: number): Promise<void> => {
    const held = current.current;
    const asked = held.key;
    if (held.busy) return;
    held.busy = true;
    setLoading(true);
    try {
      const page = await readPage(held.question, from?.cursor ?? null, first);
      if (current.current.key !== asked) return;
      held.readAt = performance.now();
      setState({ key: asked, rows: from === null ? page.rows : [...from.rows, ...page.rows], more: page.more, cursor: page.cursor });
      setProblem(null);
      if (from === null) setTotal(await readTotal(held.question));
    } catch (error) {
      if (error instanceof SignedOut) location.assign(signInUrl(location.pathname + location.search));
      else if (current.current.key === asked) setProblem(error instanceof Error ? error.message : String(error));
    } finally {
      // The end of an older question says nothing of the one that is asked now.
      if (current.current === held) {
        held.busy = false;
        setLoading(false);
      }
    }
  }, []);

  useEffect(() => {
    current.current = { key, question: current.current.question, busy: false, readAt: 0, readRevision: 0 };
    setState({ key, rows: [], more: true, cursor: null });
    setTotal(null);
    setProblem(null);
    void load(null, PAGE);
  }, [key, load]);

  // What changed meanwhile: few rows are read again, many wait for the button.
  const rows = state.key === key ? state.rows : [];
  useEffect(() => {
    const held = current.current;
    if (rows.length > KEPT_CURRENT || held.busy || held.readAt === 0 || revision === held.readRevision) return;
    const wait = Math.max(0, AGAIN_MS - (performance.now() - held.readAt));
    const timer = setTimeout(() => {
      held.readRevision = revision;
      void load(null, Math.max(PAGE, rows.length));
    }, wait);
    return () => clearTimeout(timer);
  }, [revision, rows.length, load]);

  return {
    rows,
    total,
    more: state.more,
    // A question that was only just asked is not answered with nothing: the table stays, and the focus in it.
    loading: loading || state.key !== key,
    problem,
    loadMore: () => {
      if (state.more && problem === null && state.key === key) void load(state, PAGE);
    },
    again: () => void load(null, Math.max(PAGE, Math.min(rows.length, 1_000))),
  };
}

/** All rows of a question up to a bound, for a file. */
export async function readAll(
  question: Question,
  { most, onRead }: { readonly most: number; readonly onRead: (rows: number) => void },
): Promise<{ readonly rows: readonly Row[]; readonly cut: boolean }> {
  const rows: Row[] = [];
  let cursor: string | null = null;
  for (;;) {
    const page: Page = await readPage(question, cursor, PAGE);
    rows.push(...page.rows);
    onRead(rows.length);
    cursor = page.cursor;
    if (!page.more) return { rows, cut: false };
    if (rows.length >= most) return { rows: rows.slice(0, most), cut: true };
  }
}

async function readPage(question: Question, after: string | null, first: number): Promise<Page> {
  const { kind, columns, filter, sort } = question;
  const variables = { first, after, filter, orderBy: orderBy(kind, sort) };
  const list = await run(listDocument(kind, columns), variables);
  const nodes = at(list, "nodes");
  const cursor = at(list, "pageInfo", "endCursor");
  return {
    rows: Array.isArray(nodes) ? nodes.filter(isRow) : [],
    more: at(list, "pageInfo", "hasNextPage") === true,
    cursor: typeof cursor === "string" ? cursor : null,
  };
}

async function readTotal({ kind, filter }: Question): Promise<number | null> {
  const total = at(await run(countDocument(kind), { filter }), "totalCount");
  return typeof total === "number" ? total : null;
}

/** The field `list` of an answer. Throws what the server says. */
async function run(query: string, variables: Readonly<Record<string, unknown>>): Promise<unknown> {
  const given = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== null));
  const answer = await execute({ query, variables: given });
  const [error] = answer.errors ?? [];
  if (error) throw new Error(error.message);
  return at(answer.data, "list");
}
