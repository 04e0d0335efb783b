// A cell for the eye.

import { Link } from "wouter";

import { entityPath } from "../dashboard/routes";
import { t } from "../messages";
import { StateMark } from "../parts/StateMark";
import type { Cell } from "./values";

export function CellView({ cell }: { readonly cell: Cell }) {
  switch (cell.is) {
    case "none":
      return <span className="cell-none">–</span>;
    case "entity":
      return (
        <Link href={entityPath(cell.id)} title={cell.text}>
          {cell.text}
        </Link>
      );
    case "state":
      return (
        <span className="state-badge">
          <StateMark state={cell.state} /> {cell.text}
        </span>
      );
    case "labels":
      return (
        <span className="labels" title={cell.text}>
          {cell.labels.map((label) => (
            <code key={label}>{label}</code>
          ))}
        </span>
      );
    case "time":
      return <time dateTime={cell.iso} title={cell.text}>{cell.text}</time>;
    case "progress":
      return (
        <span className="cell-progress">
          <progress max={Math.max(cell.total, 1)} value={cell.done} aria-label={t.lists.failedOf(cell.done, cell.total, cell.failed)} />{" "}
          {cell.text}
        </span>
      );
    case "number":
    case "text":
      return <span title={cell.text}>{cell.text}</span>;
  }
}
