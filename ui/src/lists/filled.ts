// Which columns of a short list have something to say.

import type { Column } from "./columns";
import type { Row } from "./values";

/** Columns that are often empty through and through; others stay, so that a table does not change its shape as rows come. */
const OFTEN_EMPTY: readonly string[] = ["labels", "tenant", "error", "message", "cost"];

/** The columns without those that are empty in every row. */
export function filled(columns: readonly Column[], rows: readonly Row[]): readonly Column[] {
  return columns.filter((column) => !OFTEN_EMPTY.includes(column.key) || rows.some((row) => column.cell(row).is !== "none"));
}
