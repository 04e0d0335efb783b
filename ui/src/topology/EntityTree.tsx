// The same as the picture, as a tree that can be walked with keys and read out (WAI-ARIA tree pattern). Only rows in view
// are elements; each says its level, its number and how many are beside it, so that nothing depends on the rest being there.

import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";

import type { Match } from "../find/match";
import { STATE_KEYS } from "../live/states";
import { useTopology } from "../live/useTopology";
import type { Place } from "../live/tables";
import { LOCALE, t } from "../messages";
import { StateCounts, StateMark } from "../parts/StateMark";
import { nameOf, stateOf } from "./placeText";
import { treeMemoryOf } from "./treeMemory";
import { pathTo, type TreeIndex, treeIndex, type TreeRow, treeRows } from "./treeRows";

const ROW_PX = 28;
const collator = new Intl.Collator(LOCALE, { numeric: true });

interface TreeProps {
  readonly match: Match | null;
  readonly selected: Place | null;
  readonly onSelect: (place: Place) => void;
  /** Asked for by Enter or a double click: look at it in the picture. */
  readonly onShow: (place: Place) => void;
}

export function EntityTree({ match, selected, onSelect, onShow }: TreeProps) {
  const live = useTopology();
  const { topology } = live;
  const memory = treeMemoryOf(live);
  const [open, setOpen] = useState(memory.open);
  const [focused, setFocused] = useState<string | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const structure = topology.structureVersion;
  const lastIndex = useRef<TreeIndex>(undefined);
  const index = useMemo(() => treeIndex(topology, collator, lastIndex.current), [topology, structure]);
  useEffect(() => {
    lastIndex.current = index;
  }, [index]);
  // The outermost regions are open at first.
  const opened = useMemo(() => open ?? new Set(index.roots.map((row) => topology.regions.ids[row] ?? "")), [open, index, topology]);
  // With something looked for, regions are open unless they were closed by hand meanwhile.
  const [closed, setClosed] = useState(memory.closed);
  const rows = useMemo(
    () => treeRows(topology, index, match === null ? opened : mixed(opened, closed, topology.sites), match),
    [topology, index, opened, closed, match],
  );
  const selectedId = selected === null ? null : topology.idOf(selected);
  const current = Math.max(0, rows.findIndex((row) => row.id === (focused ?? selectedId)));
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW_PX, overscan: 10, initialOffset: memory.scroll });

  useEffect(() => {
    Object.assign(memory, { open, closed });
  }, [memory, open, closed]);

  // What is selected elsewhere is opened and brought into view here.
  useEffect(() => {
    if (selectedId === null || selected === null) return;
    const path = pathTo(topology, selected);
    setOpen((before) => new Set([...(before ?? opened), ...path]));
    setFocused(selectedId);
    // Only when the selection changes: what the user closes later stays closed.
  }, [selectedId]);
  useEffect(() => {
    const at = rows.findIndex((row) => row.id === selectedId);
    if (at >= 0) virtual.scrollToIndex(at, { align: "auto" });
  }, [selectedId, open]);

  const toggle = (row: TreeRow) => {
    if (row.expanded === null) return;
    const change = (before: ReadonlySet<string>) => {
      const next = new Set(before);
      if (!next.delete(row.id)) next.add(row.id);
      return next;
    };
    if (match !== null && row.kind === "region") setClosed(change);
    else setOpen(change(opened));
  };
  const focusRow = (at: number) => {
    const row = rows[at];
    if (!row) return;
    setFocused(row.id);
    virtual.scrollToIndex(at, { align: "auto" });
    requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-row="${CSS.escape(row.id)}"]`)?.focus());
  };
  const onKeyDown = (event: React.KeyboardEvent, row: TreeRow, at: number) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = keysOf({ row, at, rows, toggle, focusRow, onSelect, onShow })[event.key];
    if (act) {
      event.preventDefault();
      act();
    } else if (event.key.length === 1 && event.key !== "/") {
      const letter = event.key.toLowerCase();
      const order = [...rows.keys()].slice(at + 1).concat([...rows.keys()].slice(0, at + 1));
      const next = order.find((each) => nameOf(topology, rows[each] as TreeRow).toLowerCase().startsWith(letter));
      if (next !== undefined) focusRow(next);
    }
  };
  // A tree without items is none.
  if (rows.length === 0) {
    return (
      <div ref={scroller} className="tree">
        <p className="tree-empty">{match === null ? t.topology.empty : t.topology.noneVisible}</p>
      </div>
    );
  }
  return (
    <div
      ref={scroller}
      className="tree"
      role="tree"
      aria-label={t.topology.tree}
      onScroll={(event) => {
        memory.scroll = event.currentTarget.scrollTop;
      }}
    >
      <div role="presentation" className="tree-rows" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const row = rows[item.index];
          if (!row) return null;
          return (
            <div
              key={row.id}
              data-row={row.id}
              className="tree-row"
              role="treeitem"
              aria-level={row.level}
              aria-posinset={row.position}
              aria-setsize={row.siblings}
              aria-expanded={row.expanded ?? undefined}
              aria-selected={row.id === selectedId}
              tabIndex={item.index === current ? 0 : -1}
              style={{ transform: `translateY(${item.start}px)`, paddingLeft: `${row.level * 0.9 - 0.4}rem` }}
              onClick={() => {
                setFocused(row.id);
                onSelect(row);
              }}
              onDoubleClick={() => onShow(row)}
              onKeyDown={(event) => onKeyDown(event, row, item.index)}
            >
              <span
                className="tree-twist"
                aria-hidden="true"
                onClick={(event) => {
                  event.stopPropagation();
                  toggle(row);
                }}
              >
                {row.expanded === null ? "" : row.expanded ? "▾" : "▸"}
              </span>
              <Row row={row} />
            </div>
          );
        })}
      </div>
    </div>
  );
}

function Row({ row }: { readonly row: TreeRow }) {
  const { topology } = useTopology();
  const name = nameOf(topology, row);
  if (row.kind === "region") {
    return (
      <>
        <b className="tree-name">{name}</b>{" "}
        <StateCounts counts={topology.regions.nodeCounts} row={row.row} />
      </>
    );
  }
  if (row.kind === "site") {
    const transit = topology.sites.transit[row.row] === 1;
    return (
      <>
        {transit ? <span className="waypoint" aria-hidden="true">◇</span> : <StateMark state={topology.sites.state[row.row] ?? 3} />}
        <span className="tree-name">{name}</span> <span className="visually-hidden">{stateOf(topology, row)}</span>
        <StateCounts counts={topology.sites.nodeCounts} row={row.row} />
      </>
    );
  }
  const state = topology.nodes.state[row.row] ?? 3;
  return (
    <>
      <StateMark state={state} />
      <span className="tree-name">{name}</span> <span className="tree-state">{t.states[STATE_KEYS[state] ?? "unknown"]}</span>
    </>
  );
}

interface KeyContext {
  readonly row: TreeRow;
  readonly at: number;
  readonly rows: readonly TreeRow[];
  readonly toggle: (row: TreeRow) => void;
  readonly focusRow: (at: number) => void;
  readonly onSelect: (place: Place) => void;
  readonly onShow: (place: Place) => void;
}

function keysOf({ row, at, rows, toggle, focusRow, onSelect, onShow }: KeyContext): Readonly<Record<string, () => void>> {
  return {
    ArrowDown: () => focusRow(Math.min(rows.length - 1, at + 1)),
    ArrowUp: () => focusRow(Math.max(0, at - 1)),
    Home: () => focusRow(0),
    End: () => focusRow(rows.length - 1),
    PageDown: () => focusRow(Math.min(rows.length - 1, at + 15)),
    PageUp: () => focusRow(Math.max(0, at - 15)),
    ArrowRight: () => (row.expanded === false ? toggle(row) : row.expanded === true ? focusRow(at + 1) : undefined),
    ArrowLeft: () => (row.expanded === true ? toggle(row) : row.parent >= 0 ? focusRow(row.parent) : undefined),
    " ": () => onSelect(row),
    Enter: () => {
      onSelect(row);
      onShow(row);
    },
  };
}

/** With something looked for: the sites that were opened, and the regions that were closed. */
function mixed(open: ReadonlySet<string>, closed: ReadonlySet<string>, sites: { rowOf(id: string): number }): Set<string> {
  return new Set([...[...open].filter((id) => sites.rowOf(id) >= 0), ...closed]);
}
