// A table of which only the rows in view are elements. Each says its number, so that a reader knows where it is in the
// whole. The server orders and filters; columns that it can order by have a button for a head.

import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";

import { t } from "../messages";
import { CellView } from "./CellView";
import type { Sort } from "./document";
import type { Column } from "./columns";
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
  const { template, least } = widthsOf(columns);
  const next = (order: string): Sort | null => {
    if (sort?.order !== order) return { order, descending: false };
    return sort.descending ? null : { order, descending: true };
  };
  return (
    <div ref={scroller} className="list-scroll" tabIndex={0} role="region" aria-label={label}>
      <div role="table" aria-label={label} aria-rowcount={(total ?? rows.length) + 1} className="list-table" style={{ minWidth: least }}>
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
                  title={order === undefined ? title : undefined}
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

/** The least width of a column, in rem, and its share of what is left over. */
type Width = readonly [least: number, share: number];

const WIDTH: Width = [7, 1];
/** Numbers and times are as wide as their heads and the longest of them, so that neither is cut at 1280 px. */
const NUMBER: Width = [6.75, 0.5];
const TIME: Width = [12, 0.5];
const WIDTHS: Readonly<Record<string, Width>> = {
  name: [10, 1.6],
  message: [14, 3],
  error: [7, 2],
  labels: [9, 1.6],
  description: [12, 2],
  state: [7, 0.8],
  status: [8, 0.8],
  deployment: [8, 1],
  component: [8, 1],
  reason: [11.5, 0.5],
  type: [7, 0.5],
  kind: [6.5, 0.8],
  arch: [8, 0.5],
  tenant: [6, 0.8],
  nodes: NUMBER,
  sites: NUMBER,
  replicas: NUMBER,
  number: NUMBER,
  releases: NUMBER,
  components: [8.25, 0.5],
  cpu: [7.25, 0.5],
  memory: [6.5, 0.5],
  freeCpu: [9.5, 0.5],
  freeMemory: [8.25, 0.5],
  bandwidth: [8, 0.5],
  price: [13, 0.5],
  at: TIME,
  begun: TIME,
  finished: TIME,
  created: TIME,
  updated: TIME,
  expires: TIME,
  progress: [9.5, 0.8],
};

/** The columns as a grid has them, and the width below which the table scrolls. */
export function widthsOf(columns: readonly Column[]): { readonly template: string; readonly least: string } {
  const widths = columns.map(({ key }) => WIDTHS[key] ?? WIDTH);
  return {
    template: widths.map(([least, share]) => `minmax(${least}rem, ${share}fr)`).join(" "),
    least: `${widths.reduce((sum, [least]) => sum + least, 0)}rem`,
  };
}
