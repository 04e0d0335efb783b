// The list of a kind: what is looked for, the columns, the order, and the file to take away.

import { useMemo, useState } from "react";
import { Button, Checkbox, DialogTrigger, Popover } from "react-aria-components";
import { Link } from "wouter";

import { FIND, isListKind, LIST_KINDS, listPath, type ListKind, withQuery } from "../dashboard/routes";
import { NotFound } from "../dashboard/NotFound";
import { useQueryState } from "../dashboard/useQueryState";
import { useTitle } from "../dashboard/useTitle";
import { FindBox } from "../find/FindBox";
import { useFind } from "../find/useFind";
import { useTopology } from "../live/useTopology";
import { count, t } from "../messages";
import { download } from "../parts/download";
import { filterOf, type Sort } from "./document";
import { toCsv, toJson } from "./exporting";
import { KINDS } from "./kinds";
import { ListTable } from "./ListTable";
import { nearOf } from "./near";
import { readAll, useRows } from "./useRows";
import "./lists.css";

const GROUPS: readonly (readonly [keyof typeof t.lists.groups, readonly ListKind[]])[] = [
  ["infrastructure", ["regions", "sites", "nodes", "links", "clusters"]],
  ["apps", ["apps", "app-versions", "components", "profiles", "packages", "services"]],
  ["workloads", ["deployments", "releases", "instances", "scaling-policies", "site-scalings", "plans", "failover-holds"]],
  ["records", ["operations", "events", "audit-log"]],
  ["access", ["tenants", "users", "service-accounts", "api-tokens", "role-bindings", "secrets"]],
];
const MOST_EXPORTED = 50_000;

/** In the address: the order (`NAME`, `-NAME`) and the keys of the columns that are shown. */
const ORDER = "order";
const COLUMNS = "columns";

export function ListPage({ kind }: { readonly kind: string }) {
  return isListKind(kind) ? <KnownList word={kind} /> : <NotFound />;
}

function KnownList({ word }: { readonly word: ListKind }) {
  const kind = KINDS[word];
  const { topology } = useTopology();
  const find = useFind();
  const [order, setOrder] = useQueryState(ORDER);
  const [chosen, setChosen] = useQueryState(COLUMNS);
  const [saying, setSaying] = useState<string | null>(null);
  const sort = useMemo((): Sort | null => {
    const field = order.replace(/^-/, "");
    return kind.columns.some((column) => column.order === field) ? { order: field, descending: order.startsWith("-") } : null;
  }, [order, kind]);
  const keys = useMemo(
    () => (chosen === "" ? kind.columns.filter((column) => !column.hidden).map((column) => column.key) : chosen.split(",")),
    [chosen, kind],
  );
  const columns = useMemo(() => kind.columns.filter((column) => keys.includes(column.key)), [kind, keys]);
  const { filter, ignored, cut } = filterOf(kind, find.expression, nearOf(topology, find));
  const question = { kind, columns, filter, sort };
  const found = useRows(question, topology.revision);
  const title = t.lists.kinds[word];
  useTitle(title);
  const save = async (format: "csv" | "json") => {
    try {
      setSaying(t.lists.exporting("0"));
      const { rows, cut: shortened } = await readAll(question, {
        most: MOST_EXPORTED,
        onRead: (many) => setSaying(t.lists.exporting(count(many))),
      });
      const titles = (key: string) => t.lists.columns[key] ?? key;
      const content = format === "csv" ? toCsv(rows, columns, titles) : toJson(rows, columns);
      download(new Blob([content], { type: format === "csv" ? "text/csv" : "application/json" }), `${word}.${format}`);
      setSaying(shortened ? t.lists.exportCut(count(rows.length)) : null);
    } catch (error) {
      setSaying(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <div className="list-page">
      <nav className="list-kinds" aria-label={t.lists.navigation}>
        {GROUPS.map(([group, words]) => (
          <section key={group}>
            <h2>{t.lists.groups[group]}</h2>
            <ul>
              {words.map((each) => (
                <li key={each}>
                  {/* What is looked for goes along; order and columns are the list's own. */}
                  <Link href={withQuery(listPath(each), "", { [FIND]: find.text })} aria-current={each === word ? "page" : undefined}>
                    {t.lists.kinds[each]}
                  </Link>
                </li>
              ))}
            </ul>
          </section>
        ))}
      </nav>
      <div className="list-main">
        <div className="list-tools">
          <h1>{title}</h1>
          <FindBox find={find} found={filter === null || found.total === null ? null : t.lists.found(word, found.total)} />
          <DialogTrigger>
            <Button>{t.lists.chooseColumns}</Button>
            <Popover className="popover">
              <div className="list-columns">
                {kind.columns.map((column) => (
                  <Checkbox
                    key={column.key}
                    className="check"
                    isSelected={keys.includes(column.key)}
                    isDisabled={keys.length === 1 && keys.includes(column.key)}
                    onChange={(shown) =>
                      setChosen((shown ? [...keys, column.key] : keys.filter((key) => key !== column.key)).join(","))
                    }
                  >
                    <span aria-hidden="true" className="check-box" /> {t.lists.columns[column.key] ?? column.key}
                  </Checkbox>
                ))}
              </div>
            </Popover>
          </DialogTrigger>
          <Button onPress={() => void save("csv")}>{t.lists.exportCsv}</Button>
          <Button onPress={() => void save("json")}>{t.lists.exportJson}</Button>
          <Button onPress={found.again}>{t.lists.refresh}</Button>
        </div>
        <p className="list-said" role="status">
          {found.loading && found.rows.length === 0
            ? t.lists.loading
            : found.total !== null && t.lists.count(count(found.rows.length), count(found.total))}{" "}
          {ignored.length > 0 && <span className="find-problem">{t.lists.ignored([...new Set(ignored)].join(", "))}</span>}{" "}
          {cut !== null && <span className="find-problem">{t.lists.nearCut(count(cut.taken), count(cut.all))}</span>} {saying}
        </p>
        {found.problem !== null && (
          <div role="alert" className="list-problem">
            <strong>{t.lists.failed}</strong> {found.problem} <Button onPress={found.again}>{t.lists.retry}</Button>
          </div>
        )}
        {found.rows.length === 0 && !found.loading && found.problem === null ? (
          <p className="list-empty">{filter === null ? t.lists.empty : t.lists.emptyFound}</p>
        ) : (
          <ListTable
            label={title}
            columns={columns}
            rows={found.rows}
            total={found.total}
            more={found.more}
            sort={sort}
            onSort={(next) => setOrder(next === null ? null : `${next.descending ? "-" : ""}${next.order}`)}
            onEnd={found.loadMore}
          />
        )}
      </div>
    </div>
  );
}

/** All kinds are in a group: a list that nobody can find is none. */
export const GROUPED: readonly ListKind[] = LIST_KINDS.filter((kind) => GROUPS.some(([, kinds]) => kinds.includes(kind)));
