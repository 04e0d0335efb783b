// What a list is made of: its columns, the words of the find expression that its server-side filter knows, and the columns
// that kinds have in common. The kinds themselves are in files of their own beside this one.

import { at, type Cell, entity, instant, labels, type Row, text, word } from "./values";

export interface Column {
  readonly key: string;
  /** The selection that its value is read from. */
  readonly select: string;
  readonly cell: (row: Row) => Cell;
  /** The field of the kind's order, where there is one. */
  readonly order?: string;
  /** Shown unless chosen away; others are shown when chosen. */
  readonly hidden?: boolean;
  /** Leads to the page of the row, so that the page itself does not need it. */
  readonly names?: boolean;
  /** What its number counts in a file, where no cell says so. */
  readonly unit?: Unit;
}

export type Unit = "bytes" | "cores" | "ms" | "km" | "Mbit/s";

/** Words of the find expression that become filters of the server; the rest is told to mean nothing here. */
export interface Filters {
  /** The fields of free text: `{ contains }` of one of them. What is at a site is found by that site's name too. */
  readonly text?: readonly string[];
  readonly labels?: boolean;
  /** Whether it is a place, or is at a site: words that ask something of a place. */
  readonly place?: "region" | "site" | "at-site";
  /** What a state of the picture is on this kind. */
  readonly state?: (key: string) => Readonly<Record<string, unknown>>;
}

/** A filter on no id at all: that of a state which nothing of a kind can be in. */
export const FINDS_NOTHING: Readonly<Record<string, unknown>> = { id: [] };

export interface Kind {
  readonly field: string;
  /** The type: of its filter (`SiteFilter`) and order (`SiteOrder`) too. */
  readonly type: string;
  readonly columns: readonly Column[];
  readonly filters: Filters;
  /** The field by which rows come, newest first, when no column was chosen. */
  readonly newestFirst?: "CREATED_AT" | "AT";
  /** Filed records, whose total costs a count of the store's. */
  readonly filed?: boolean;
  /** Rows that have no page of their own. */
  readonly noPage?: boolean;
}

export const NAMES = ["name", "displayName"] as const;

export const NAME: Column = { key: "name", select: "id name displayName", cell: (row) => entity(row), order: "NAME" };
export const TENANT: Column = { key: "tenant", select: "tenant { id name }", cell: (row) => entity(row.tenant) };
const LABELS: Column = { key: "labels", select: "labels { key value }", cell: (row) => labels(row.labels) };
const CREATED: Column = { key: "created", select: "createdAt", cell: (row) => instant(row.createdAt), order: "CREATED_AT", hidden: true };
const UPDATED: Column = { key: "updated", select: "updatedAt", cell: (row) => instant(row.updatedAt), order: "UPDATED_AT", hidden: true };
const SOURCE: Column = {
  key: "source",
  select: "source { kind name }",
  cell: (row) => text([word(at(row, "source", "kind")).text, at(row, "source", "name")].filter(Boolean).join(" ")),
  hidden: true,
};
export const ID: Column = { key: "id", select: "id", cell: (row) => text(row.id), order: "ID", hidden: true };
export const REST = [LABELS, SOURCE, CREATED, UPDATED, ID] as const;
/** Of what the work on deployments makes: it has no labels of its own. */
export const REST_OF_MADE = [{ ...LABELS, hidden: true }, SOURCE, CREATED, UPDATED, ID] as const;
