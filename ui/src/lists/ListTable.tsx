// A table of which only the rows in view are elements. Each says its number, so that a reader knows where it is in the
// whole. The server orders and filters; columns that it can order by have a button for a head.

import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";

import { t } from "../messages";
import { CellView } from "./CellView";
import type { Sort } from "./document";
import type { Column } from "./kinds";
import type { Row } from "./values";

const ROW_PX = 34;
/** The next page is asked for when so few rows are left below the view. */
const AHEAD = 30;

interface TableProps {
  readonly label: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly total: number | null;
  readonly more: boolean;
  readonly sort: Sort | null;
  readonly onSort: (sort: Sort | null) => void;
  readonly onEnd: () => void;
}

export function ListTable({ label, columns, rows, total, more, sort, onSort, onEnd }: TableProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW_PX, overscan: 12 });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (more && rows.length > 0 && last >= rows.length - AHEAD) onEnd();
  }, [more, last, rows.length, onEnd]);
  const template = columns.map((column) => WIDTHS[column.key] ?? "minmax(7rem, 1fr)").join(" ");
  const next = (order: string): Sort | null => {
    if (sort?.order !== order) return { order, descending: false };
    return sort.descending ? null : { order, descending: true };
  };
  return (
    <div ref={scroller} className="list-scroll" tabIndex={0} role="region" aria-label={label}>
      <div role="table" aria-label={label} aria-rowcount={(total ?? rows.length) + 1} className="list-table">
        <div role="rowgroup" className="list-head">
          <div role="row" aria-rowindex={1} className="list-row" style={{ gridTemplateColumns: template }}>
            {columns.map((column) => {
              const title = t.lists.columns[column.key] ?? column.key;
              const { order } = column;
              const sorted = order !== undefined && sort?.order === order ? sort : null;
              return (
                <div
                  key={column.key}
                  role="columnheader"
                  aria-sort={sorted ? (sorted.descending ? "descending" : "ascending") : undefined}
                  className="list-cell"
                >
                  {order === undefined ? (
                    title
                  ) : (
                    <button type="button" title={t.lists.sortBy(title)} onClick={() => onSort(next(order))}>
                      {title} <span aria-hidden="true">{sorted ? (sorted.descending ? "▼" : "▲") : ""}</span>
                    </button>
                  )}
                </div>
              );
            })}
          </div>
        </div>
        <div role="rowgroup" className="list-body" style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const row = rows[item.index];
            if (!row) return null;
            return (
              <div
                key={String(row.id)}
                role="row"
                aria-rowindex={item.index + 2}
                className="list-row"
                style={{ gridTemplateColumns: template, transform: `translateY(${item.start}px)` }}
              >
                {columns.map((column) => (
                  <div key={column.key} role="cell" className="list-cell">
                    <CellView cell={column.cell(row)} />
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

const WIDTHS: Readonly<Record<string, string>> = {
  name: "minmax(10rem, 1.6fr)",
  message: "minmax(14rem, 3fr)",
  error: "minmax(10rem, 2fr)",
  labels: "minmax(9rem, 1.6fr)",
  description: "minmax(12rem, 2fr)",
  state: "minmax(7rem, 0.8fr)",
  nodes: "minmax(5rem, 0.5fr)",
  sites: "minmax(5rem, 0.5fr)",
  replicas: "minmax(5rem, 0.5fr)",
  number: "minmax(5rem, 0.5fr)",
  releases: "minmax(5rem, 0.5fr)",
  at: "minmax(12rem, 1fr)",
  begun: "minmax(12rem, 1fr)",
  finished: "minmax(12rem, 1fr)",
  progress: "minmax(11rem, 1fr)",
};
