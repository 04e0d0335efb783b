// A list within a page: the same columns as the kind's own list, less what the page says already.

import { useMemo, useState } from "react";
import { Button } from "react-aria-components";

import type { ListKind } from "../dashboard/routes";
import type { Sort } from "../lists/document";
import { filled } from "../lists/filled";
import { KINDS } from "../lists/kinds";
import { ListTable } from "../lists/ListTable";
import { useRows } from "../lists/useRows";
import { useTopology } from "../live/useTopology";
import { count, t } from "../messages";
import "../lists/lists.css";

interface RelatedProps {
  readonly kind: ListKind;
  readonly filter: Readonly<Record<string, unknown>>;
  readonly without: readonly string[];
  /** What is said when there are none. */
  readonly empty?: string;
}

export function RelatedList({ kind: word, filter, without, empty = t.lists.empty }: RelatedProps) {
  const kind = KINDS[word];
  const { topology } = useTopology();
  const [sort, setSort] = useState<Sort | null>(null);
  const columns = useMemo(
    () => kind.columns.filter((column) => column.hidden !== true && !without.includes(column.key)),
    [kind, without],
  );
  const found = useRows({ kind, columns, filter, sort }, topology.revision);
  // A column in which no row has anything says nothing; within a page there is no room for that.
  const shown = useMemo(() => filled(columns, found.rows), [columns, found.rows]);
  if (found.problem !== null) {
    return (
      <p role="alert">
        {found.problem} <Button onPress={found.again}>{t.lists.retry}</Button>
      </p>
    );
  }
  if (found.rows.length === 0) return <p>{found.loading ? t.lists.loading : empty}</p>;
  return (
    <div className="related">
      <p className="list-said">{found.total !== null && t.lists.count(count(found.rows.length), count(found.total))}</p>
      <ListTable
        label={t.lists.kinds[word]}
        columns={shown}
        rows={found.rows}
        total={found.total}
        more={found.more}
        sort={sort}
        onSort={setSort}
        onEnd={found.loadMore}
      />
    </div>
  );
}
